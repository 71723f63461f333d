// SPDX-License-Identifier: MIT
/*
 * Writers that wait until a queue has space again, or is empty.
 *
 * They sleep in a FUTEX_WAIT without a time-out: of the waits that cost no descriptor it is the one
 * that a signal handler interrupts exactly when it would have interrupted the write, by SA_RESTART
 * (signal(7)). The word is the helper's `helper_tid`, so that they wake also when it is killed.
 *
 * The two words. A writer that is about to wait sets FUTEX_WAITERS in `helper_tid`, then `waiting`,
 * then looks once more for what it waits for, and sleeps only if `helper_tid` is still what it made
 * of it. The helper that made space and sees `waiting` clears it, and FUTEX_WAITERS, and wakes. So
 * whoever sees `waiting` finds the bit; in the other order a writer could sleep with a bit that
 * nobody looks for (tests/unit/test_space.c tries all orders).
 */
#ifndef PIPESHIM_DRAIN_SPACE_H
#define PIPESHIM_DRAIN_SPACE_H

#include "drain/channel.h"

/* Says that a writer is about to wait. What it waits for must be looked at once more between this
 * and space_wait(), which gets the result. */
uint32_t space_request(struct channel *channel);

/* Waits a while: until a helper has made space, or has gone. 0, or -EINTR. Nothing may be held. */
long space_wait(struct channel *channel, uint32_t asked);

/* The same as a cancellation point (pthreads(7)). */
long space_wait_cancellable(struct channel *channel, uint32_t asked);

/* True if somebody waits. */
static inline bool space_is_wanted(struct channel *channel)
{
    return atomic_load_explicit(&channel->waiting, memory_order_relaxed) != 0;
}

/* Wakes all who wait for this queue. */
void space_announce(struct channel *channel);

/* Runs on: program threads (request, wait), helper and watchdog (announce). AS-safe: yes. Blocks:
 * space_wait(). */
#endif
