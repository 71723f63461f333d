// SPDX-License-Identifier: MIT
#include "drain/mapping_changes.h"

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/stream.h"

struct mapping_changes mapping_changes;
static bool for_good; /* child: kept, what the program's code does its copy may do as well */

/* Its holder copies, or is about to ask whether it may: a thread that has left it by siglongjmp(),
 * or was stopped, is waited for once. */
static void wait_for_copy(struct stream *stream, uint32_t self)
{
    enum { YIELDS = 20, NAPS = 20000, NAP_NS = 50 * NS_PER_US };
    static _Atomic uintptr_t gone; /* child: kept, a frame of this stack too */
    uint32_t owner = atomic_load(&stream->lock);
    uintptr_t frame = atomic_load(&stream->lock_frame);
    if (owner == 0 || owner == self || frame == atomic_load(&gone))
        return;
    for (unsigned tries = 0;
         atomic_load(&stream->lock) == owner && atomic_load(&stream->lock_frame) == frame &&
         !atomic_load(&stream->changes);
         tries++) {
        struct timespec moment = {0, NAP_NS};
        if (tries == YIELDS + NAPS) {
            atomic_store(&gone, frame);
            return;
        }
        if (tries < YIELDS)
            raw_syscall(SYS_sched_yield);
        else
            raw_syscall(SYS_nanosleep, &moment, 0);
    }
}

void mapping_change_begins(void)
{
    atomic_fetch_add(&mapping_changes.under_way, 1);
    atomic_fetch_add(&mapping_changes.version, 1);
    uint32_t known = atomic_load(&drain_state->known);
    uint32_t self = 0;
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        if (atomic_load(&stream->lock) == 0)
            continue;
        if (self == 0)
            self = (uint32_t)raw_syscall(SYS_gettid);
        wait_for_copy(stream, self);
    }
}

void mapping_change_ends(void)
{
    atomic_fetch_add(&mapping_changes.version, 1);
    atomic_fetch_sub(&mapping_changes.under_way, 1);
}

void mapping_changes_for_good(void)
{
    if (for_good)
        return;
    for_good = true;
    mapping_change_begins();
}

void mapping_changes_begin_in_child(void)
{
    atomic_store(&mapping_changes.under_way, for_good);
}
