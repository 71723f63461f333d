// SPDX-License-Identifier: MIT
/*
 * How the program learns that its helper is dead, however it died: the channel's `helper_tid` is a
 * robust futex (set_robust_list(2)), in which the kernel sets FUTEX_OWNER_DIED. A tid alone would
 * not do: it may be another's by now, or of another PID namespace.
 */
#ifndef PIPESHIM_DRAIN_HELPER_DEATH_H
#define PIPESHIM_DRAIN_HELPER_DEATH_H

#include "drain/channel.h"

/* First of all: its death is seen from here on. */
void helper_death_begin(struct channel *channel);

/* Before it ends of its own will, when `head` says that it has left. */
void helper_death_end(struct channel *channel);

/* Runs on: helper. AS-safe: yes. Blocks: no. */
#endif
