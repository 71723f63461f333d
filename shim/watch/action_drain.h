// SPDX-License-Identifier: MIT
/*
 * PIPESHIM_ACTION=drain: for the one descriptor whose write is proven stuck the drainer is switched
 * on, and off again when its reader is back (docs/drain.md, "Switched on by proof").
 *
 * The write that sleeps in the kernel is let go by making the pipe larger, or giving the
 * socket more memory, which takes no byte out of it and changes no order; what is written after it
 * the drainer takes.
 */
#ifndef PIPESHIM_WATCH_ACTION_DRAIN_H
#define PIPESHIM_WATCH_ACTION_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

/* Begins, because of event `ref`, with the descriptor that thread `tid` waits to write to. What
 * comes of it is reported as `action`. */
void action_drain_begin(int fd, int tid, uint64_t ref);

/* At each look: returns when to call again (CLOCK_MONOTONIC, ns). */
uint64_t action_drain_poll(uint64_t now);

/* A forked child drains what its parent does, for its own reasons. */
void action_drain_begin_in_child(void);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
