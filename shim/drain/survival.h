// SPDX-License-Identifier: MIT
/*
 * A helper that somebody kills (the OOM killer, an operator): another goes on with what it left.
 *
 * The kernel itself says that it is dead: the stream's `keeper` is a robust futex
 * (set_robust_list(2)), in which it sets FUTEX_OWNER_DIED when its owner goes, however it goes. A
 * tid alone would not do: it may be another's by now, or of another PID namespace.
 *
 * What the helper had taken but not finished is sent again. If it waited in a system call for the
 * reader, as it mostly does, nothing arrives twice; if it was killed in the very moment in which a
 * write returned, that batch does, because nobody else knows that it was made.
 */
#ifndef PIPESHIM_DRAIN_SURVIVAL_H
#define PIPESHIM_DRAIN_SURVIVAL_H

#include <linux/futex.h>

#include "drain/stream.h"

/* In the helper, first of all: its death is seen from here on. Cheap; no libc. */
void survival_begin(struct stream *stream);

/* In the helper, before it leaves of its own will. */
void survival_end(struct stream *stream);

static inline bool helper_was_killed(struct stream *stream)
{
    return atomic_load_explicit(&stream->keeper, memory_order_relaxed) & FUTEX_OWNER_DIED;
}

/* Lets another helper, which writes to `fd`, go on where the one that was killed stopped. The
 * stream's lock is held. False: there is something to send, and the kernel refuses a process. */
bool survival_go_on(struct stream *stream, int fd);

/* The same without the lock, if it is free, and if `fd` still leads to the stream's pipe. Costs one
 * load while the helper lives. Any thread, the watchdog too. */
void survival_look(struct stream *stream, int fd);

#endif
