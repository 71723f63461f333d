// SPDX-License-Identifier: MIT
#include "drain/stream.h"

#include <signal.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "slots/slot.h"

/* What is pointed to is wiped by the kernel in a forked child. child: constant */
static struct drain_state none; /* never written: nothing is drained */
struct drain_state *drain_state = &none;
struct drain_limits drain_limits; /* child: constant */

/* The slot of a forked child's thread reads zero. */
static uint32_t own_tid(void)
{
    int known = thread_slot->tid;
    return known > 0 ? (uint32_t)known : (uint32_t)raw_syscall(SYS_gettid);
}

static bool is_on_alternate_stack(void)
{
    stack_t stack = {.ss_flags = SS_ONSTACK}; /* where it cannot be asked: it may be */
    raw_syscall(SYS_sigaltstack, 0, &stack);
    return stack.ss_flags & SS_ONSTACK;
}

/* Not below the holder's frame, on the same stack: that one is gone, by siglongjmp(). (A handler
 * that interrupts the holder is below it by the signal's frame.) */
static bool holder_jumped_out(struct stream *stream)
{
    return (uintptr_t)__builtin_frame_address(0) >= atomic_load(&stream->lock_frame) &&
           !is_on_alternate_stack();
}

static bool take_if_free(struct stream *stream, uint32_t self, uint32_t *owner)
{
    *owner = 0;
    if (!atomic_compare_exchange_strong(&stream->lock, owner, self))
        return false;
    atomic_store_explicit(&stream->lock_frame, (uintptr_t)__builtin_frame_address(0),
                          memory_order_relaxed);
    return true;
}

/* A helper's start is no copy that a thread can leave: with one that was killed it takes as long as
 * all that is queued takes to copy, and on a busy machine longer than the patience with others. To
 * seal the stream meanwhile would put its successor's helper before the new one in the line. */
enum stream_lock stream_lock_take(struct stream *stream)
{
    enum { YIELDS = 100, NAPS = 2500, NAPS_FOR_CHANGES = 100000, NAP_NS = NS_PER_MS / 10 };
    uint32_t self = own_tid();
    uint32_t owner;
    unsigned for_changes = 0;
    for (unsigned tries = 0; tries - for_changes < YIELDS + NAPS; tries++) {
        if (take_if_free(stream, self, &owner))
            return STREAM_LOCKED;
        if (owner == self) {
            if (!holder_jumped_out(stream))
                return STREAM_STUCK;
            stream_lock_release(stream);
            continue;
        }
        if (atomic_load(&stream->sealed))
            return STREAM_STUCK;
        if (for_changes < NAPS_FOR_CHANGES && atomic_load(&stream->changes))
            for_changes++;
        struct timespec moment = {0, NAP_NS};
        if (tries < YIELDS)
            raw_syscall(SYS_sched_yield);
        else
            raw_syscall(SYS_nanosleep, &moment, 0);
    }
    return STREAM_STUCK;
}

bool stream_lock_try(struct stream *stream)
{
    uint32_t owner;
    return take_if_free(stream, (uint32_t)raw_syscall(SYS_gettid), &owner);
}

void stream_seal(struct stream *stream)
{
    struct channel *channel = atomic_load(&stream->channel);
    atomic_store(&stream->sealed, 1);
    if (channel && atomic_load(&stream->running))
        atomic_fetch_or(&channel->head, CHANNEL_SEALED);
}
