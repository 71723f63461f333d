// SPDX-License-Identifier: MIT
#include "drain/stream_table.h"

#include "base/raw_syscall.h"
#include "drain/signals.h"

struct stream *stream_search(uint64_t device, uint64_t inode)
{
    uint32_t known = atomic_load(&drain_state->known);
    for (unsigned at = 0; at < known; at++) {
        if (!stream_takes_writes_of(&drain_state->streams[at], device, inode))
            continue;
        atomic_store_explicit(&drain_state->hint[inode % STREAM_LIMIT], (uint16_t)at,
                              memory_order_relaxed);
        return &drain_state->streams[at];
    }
    return NULL;
}

bool streams_are_sent(uint64_t device, uint64_t inode)
{
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        if (stream_is_of(stream, device, inode) && !stream_is_sent(stream))
            return false;
    }
    return true;
}

bool streams_wait_for_older(const struct stream *stream)
{
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *other = &drain_state->streams[i];
        if (other != stream &&
            stream_is_of(other, atomic_load(&stream->device), atomic_load(&stream->inode)) &&
            !stream_is_sent(other))
            return true;
    }
    return false;
}

/* A stream that no pipe uses, its lock taken. The table's lock is held. */
static struct stream *take_free(void)
{
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < STREAM_LIMIT; i++) {
        struct stream *stream = &drain_state->streams[i];
        if (i < known && (atomic_load(&stream->running) || !stream_lock_try(stream)))
            continue;
        if (i >= known) {
            if (!stream_lock_try(stream))
                continue;
            atomic_store(&drain_state->known, i + 1);
        }
        if (!atomic_load(&stream->running))
            return stream;
        stream_lock_release(stream);
    }
    return NULL;
}

/* Another thread may have been faster. */
static struct stream *make(uint64_t device, uint64_t inode)
{
    uint64_t before = signals_block(); /* so that the lock is never left behind */
    uint32_t nobody = 0;
    while (!atomic_compare_exchange_strong(&drain_state->table_lock, &nobody, 1)) {
        nobody = 0;
        raw_syscall(SYS_sched_yield);
    }
    struct stream *stream = NULL;
    bool made = !stream_find(device, inode) && (stream = take_free());
    if (made) {
        atomic_store(&stream->sealed, 1); /* of neither pipe while both numbers are not written */
        atomic_store(&stream->device, device);
        atomic_store(&stream->lost, 0);
        atomic_store(&stream->handed_over, 0);
        atomic_store(&stream->spooled, 0);
        atomic_store(&stream->inode, inode);
        atomic_store(&stream->sealed, 0);
    }
    atomic_store(&drain_state->table_lock, 0);
    signals_restore(before);
    return stream;
}

struct stream *stream_find_locked(uint64_t device, uint64_t inode, struct stream *found)
{
    for (;; found = NULL) {
        struct stream *stream = found ? found : stream_find(device, inode);
        if (!stream) {
            stream = make(device, inode);
            if (stream || !stream_find(device, inode))
                return stream;
            continue;
        }
        if (stream_lock_take(stream) == STREAM_STUCK) {
            stream_seal(stream);
            continue;
        }
        if (stream_takes_writes_of(stream, device, inode))
            return stream;
        stream_lock_release(stream);
    }
}
