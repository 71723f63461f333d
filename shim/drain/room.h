// SPDX-License-Identifier: MIT
/*
 * Writers that wait until a queue has room again, or is empty.
 *
 * They sleep in a FUTEX_WAIT without a time-out: of the waits that cost no descriptor it is the one
 * that a signal handler interrupts exactly when it would have interrupted the write, by SA_RESTART
 * (signal(7)). The word is the helper's `keeper`, so that they wake also when it is killed.
 */
#ifndef PIPESHIM_DRAIN_ROOM_H
#define PIPESHIM_DRAIN_ROOM_H

#include "drain/stream.h"

/* Says that a writer is about to wait. What it waits for must be looked at once more between this
 * and room_wait(), which gets the result. Async-signal-safe. */
uint32_t room_ask(struct stream *stream);

/* Waits a while: until a helper has made room, or has gone. 0, or -EINTR. Async-signal-safe. */
long room_wait(struct stream *stream, uint32_t asked);

/* The same where nothing is held: a cancellation point (pthreads(7)). */
long room_wait_cancellable(struct stream *stream, uint32_t asked);

/* True if somebody waits. */
static inline bool room_is_wanted(void)
{
    return atomic_load_explicit(&drain_memory->waiting, memory_order_relaxed) != 0;
}

/* Wakes all who wait, in every stream: the bound is one. In the helper too. */
void room_tell(void);

#endif
