// SPDX-License-Identifier: MIT
#include "drain/stream_table.h"

#include "drain/survival.h"

struct stream *stream_find(uint64_t device, uint64_t inode)
{
    for (uint64_t i = 0; i < STREAM_LIMIT; i++) {
        struct stream *stream = &drain_memory->streams[(inode + i) % STREAM_LIMIT];
        if (stream_is_of(stream, device, inode) &&
            !atomic_load_explicit(&stream->sealed, memory_order_relaxed))
            return stream;
    }
    return NULL;
}

bool streams_are_sent(uint64_t device, uint64_t inode)
{
    for (uint64_t i = 0; i < STREAM_LIMIT; i++) {
        struct stream *stream = &drain_memory->streams[i];
        if (stream_is_of(stream, device, inode) && !stream_is_sent(stream))
            return false;
    }
    return true;
}

/* A stream that no pipe uses; its lock is taken, the memory's is held. */
static struct stream *take_free(uint64_t inode)
{
    for (uint64_t i = 0; i < STREAM_LIMIT; i++) {
        struct stream *stream = &drain_memory->streams[(inode + i) % STREAM_LIMIT];
        if ((atomic_load(&stream->state) != HELPER_NONE && !helper_was_killed(stream)) ||
            !stream_is_sent(stream) || !lock_try(&stream->lock))
            continue;
        if (helper_was_killed(stream) && stream_is_sent(stream))
            survival_go_on(stream, -1);
        if (atomic_load(&stream->state) == HELPER_NONE && stream_is_empty(stream))
            return stream;
        lock_release(&stream->lock);
    }
    return NULL;
}

static struct stream *lock_known(uint64_t device, uint64_t inode, bool *inside)
{
    struct stream *stream = stream_find(device, inode);
    if (!stream)
        return NULL;
    *inside = !lock_take(&stream->lock);
    if (*inside)
        return NULL;
    if (stream_is_of(stream, device, inode) && !atomic_load(&stream->sealed))
        return stream;
    lock_release(&stream->lock);
    return NULL;
}

struct stream *stream_lock(uint64_t device, uint64_t inode, bool *full)
{
    bool inside = false;
    struct stream *stream = lock_known(device, inode, &inside);
    if (stream || inside || !lock_take(&drain_memory->lock))
        return stream;
    stream = lock_known(device, inode, &inside); /* another thread was faster */
    if (!stream && !inside) {
        stream = take_free(inode);
        *full = !stream;
        if (stream) {
            atomic_store(&stream->device, device);
            atomic_store(&stream->inode, inode);
            atomic_store(&stream->sealed, 0);
        }
    }
    lock_release(&drain_memory->lock);
    return stream;
}

bool stream_seal(struct stream *stream)
{
    enum { LEFT_FOR_OTHER_PIPES = STREAM_LIMIT / 2 };
    bool seals = atomic_load(&drain_memory->active) < LEFT_FOR_OTHER_PIPES;
    if (seals)
        atomic_store(&stream->sealed, 1);
    return seals;
}
