// SPDX-License-Identifier: MIT
#include "drain/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum {
    STAYS = 128 * 1024, /* of an idle queue */
    POPULATE_FROM = 64 * 1024,
    MOVES_FROM = 512 * 1024, /* the helper's cache line is not read for less */
    PARTS_OF_BOUND = 64,     /* are made at once: the bound may be exceeded by that */
};

static uint64_t align_down(uint64_t value)
{
    return value & ~(drain_memory->page - 1);
}

static uint64_t align_up(uint64_t value)
{
    return align_down(value + drain_memory->page - 1);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Pages [from, to), counted from `origin`. */
static void give_back(struct stream *stream, uint64_t from, uint64_t to)
{
    uint64_t size = drain_memory->ring_size;
    if (from >= to)
        return;
    atomic_fetch_sub(&drain_memory->resident, to - from);
    while (from < to) {
        uint64_t place = from & (size - 1);
        uint64_t part = smaller(to - from, size - place);
        raw_syscall(SYS_madvise, ring_of(stream) + place, part, MADV_REMOVE);
        from += part;
    }
}

/* The next byte lies where the pages in use begin; counts begin near zero again. */
static void move_origin(struct stream *stream)
{
    uint64_t head = atomic_load_explicit(&stream->head, memory_order_relaxed);
    uint64_t kept = stream->kept_from & (drain_memory->ring_size - 1);
    stream->touched_to -= stream->kept_from - kept;
    stream->kept_from = kept;
    atomic_store_explicit(&stream->origin, head - kept, memory_order_release);
}

/* What the helper is done with, in a queue that is not empty. */
static void give_back_sent(struct stream *stream)
{
    uint64_t done = atomic_load(drain_memory->drops_oldest ? &stream->tail : &stream->sent);
    uint64_t to = align_down(done - atomic_load(&stream->origin));
    if (to <= stream->kept_from || to > stream->touched_to)
        return;
    give_back(stream, stream->kept_from, to);
    stream->kept_from = to;
}

void ring_rest(struct stream *stream, bool all)
{
    uint64_t stays = all ? 0 : align_up(smaller(STAYS, drain_memory->max / PARTS_OF_BOUND));
    if (!stream_is_sent(stream) || stream->touched_to - stream->kept_from <= stays)
        return;
    move_origin(stream);
    give_back(stream, stream->kept_from + stays, stream->touched_to);
    stream->touched_to = stream->kept_from + stays;
}

/* The bound is near: the pages of what was sent, of this stream and of others. */
static void reclaim(struct stream *stream)
{
    give_back_sent(stream);
    for (int i = 0; i < STREAM_LIMIT; i++) {
        struct stream *other = &drain_memory->streams[i];
        if (other == stream || other->touched_to == other->kept_from || !lock_try(&other->lock))
            continue;
        if (stream_is_sent(other))
            ring_rest(other, true);
        else
            give_back_sent(other);
        lock_release(&other->lock);
    }
}

static bool populate(struct stream *stream, uint64_t from, uint64_t to)
{
    uint64_t size = drain_memory->ring_size;
    while (from < to) {
        uint64_t place = from & (size - 1);
        uint64_t part = smaller(to - from, size - place);
        long result = raw_syscall(SYS_madvise, ring_of(stream) + place, part, MADV_POPULATE_WRITE);
        if (result == -ENOMEM || result == -EFAULT)
            return false;
        from += part;
    }
    return true;
}

/* Pages up to `to` at least: the more at once the more the queue has already. */
static bool grow(struct stream *stream, uint64_t to)
{
    uint64_t part = stream->touched_to - stream->kept_from;
    part = align_up(smaller(part < STAYS ? STAYS : part, drain_memory->max / PARTS_OF_BOUND));
    if (to < stream->touched_to + part)
        to = stream->touched_to + part;
    if (atomic_load(&drain_memory->resident) + (to - stream->touched_to) > drain_memory->max)
        reclaim(stream);
    to = smaller(align_up(to), stream->kept_from + drain_memory->ring_size);
    if (part >= POPULATE_FROM && !populate(stream, stream->touched_to, to))
        return false;
    atomic_fetch_add(&drain_memory->resident, to - stream->touched_to);
    stream->touched_to = to;
    return true;
}

static bool touch(struct stream *stream, uint64_t to)
{
    for (;;) {
        uint64_t around = stream->kept_from + drain_memory->ring_size;
        if (to <= around)
            return grow(stream, to);
        if (stream->touched_to == around) { /* the pages after it are those that were first */
            uint64_t more = align_up(to - around);
            stream->kept_from += more;
            stream->touched_to += more;
            return true;
        }
        if (!grow(stream, around))
            return false;
    }
}

bool ring_prepare(struct stream *stream, uint64_t to)
{
    uint64_t head = atomic_load_explicit(&stream->head, memory_order_relaxed);
    uint64_t origin = atomic_load_explicit(&stream->origin, memory_order_relaxed);
    if (head - origin - stream->kept_from >= MOVES_FROM && stream_is_sent(stream)) {
        move_origin(stream);
        origin = atomic_load_explicit(&stream->origin, memory_order_relaxed);
    }
    to -= origin;
    return to <= stream->touched_to || touch(stream, to);
}

static void write_bytes(struct stream *stream, uint64_t at, const void *from, uint64_t size)
{
    uint64_t place = ring_place(stream, at);
    uint64_t first = smaller(drain_memory->ring_size - place, size);
    memcpy(ring_of(stream) + place, from, first);
    if (first < size)
        memcpy(ring_of(stream), (const char *)from + first, size - first);
}

void ring_write(struct stream *stream, uint64_t at, const struct iovec *vector, uint64_t skip,
                uint64_t size)
{
    for (; size > 0; vector++) {
        if (skip >= vector->iov_len) {
            skip -= vector->iov_len;
            continue;
        }
        uint64_t part = smaller(vector->iov_len - skip, size);
        write_bytes(stream, at, (const char *)vector->iov_base + skip, part);
        at += part;
        size -= part;
        skip = 0;
    }
}
