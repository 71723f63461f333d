// SPDX-License-Identifier: MIT
#include "drain/survival.h"

#include <limits.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/fallback.h"
#include "drain/totals.h"

/* The helper's own, after the fork: the list of one futex. child: scratch */
static struct robust_list entry;
static struct robust_list_head robust;

void survival_begin(struct stream *stream)
{
    atomic_store(&stream->keeper, (uint32_t)raw_syscall(SYS_gettid));
    entry.next = &robust.list;
    robust.list.next = &entry;
    robust.futex_offset = (char *)&stream->keeper - (char *)&entry;
    raw_syscall(SYS_set_robust_list, &robust, sizeof robust);
}

void survival_end(struct stream *stream)
{
    if (atomic_exchange(&stream->keeper, 0) & FUTEX_WAITERS)
        raw_syscall(SYS_futex, &stream->keeper, FUTEX_WAKE, INT_MAX, 0, 0, 0);
}

/* What was taken is there still, in `sent` to `tail`, but where writers that drop the oldest may
 * have put something over it. */
static void take_back(struct stream *stream)
{
    uint64_t tail = atomic_load(&stream->tail);
    uint64_t sent = atomic_load(&stream->sent);
    atomic_fetch_sub(&drain_memory->queued, atomic_exchange(&stream->untold, 0));
    if (drain_memory->drops_oldest) {
        uint32_t lost = atomic_load(&stream->in_flight);
        if (lost > 0)
            totals_drop(lost);
        atomic_store(&stream->begun, 0);
        atomic_store(&stream->sent, tail);
    } else {
        atomic_fetch_add(&drain_memory->queued, tail - sent);
        atomic_store(&stream->tail, sent);
    }
    atomic_store(&stream->in_flight, 0);
}

bool survival_go_on(struct stream *stream, int fd)
{
    take_back(stream);
    survival_end(stream); /* of those who wait the kernel wakes one only */
    atomic_fetch_sub(&drain_memory->active, 1);
    atomic_store(&stream->state, HELPER_NONE);
    fallback_note(DRAIN_HELPER_KILLED);
    if (stream_is_empty(stream))
        atomic_store(&stream->ended_ns, clock_monotonic_ns());
    return stream_is_empty(stream) || helper_start(stream, fd);
}

static bool leads_to(int fd, const struct stream *stream)
{
    struct stat status = {0};
    return raw_syscall(SYS_fstat, fd, &status) == 0 &&
           status.st_ino == atomic_load(&stream->inode) &&
           status.st_dev == atomic_load(&stream->device);
}

void survival_look(struct stream *stream, int fd)
{
    uint32_t self = (uint32_t)raw_syscall(SYS_gettid);
    if (!helper_was_killed(stream) || !lock_try_as(&stream->lock, self))
        return;
    if (helper_was_killed(stream) && leads_to(fd, stream))
        survival_go_on(stream, fd);
    lock_release(&stream->lock);
}
