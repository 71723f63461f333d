// SPDX-License-Identifier: MIT
/*
 * Where a stream's bytes lie, and which of the ring's pages are in use.
 *
 * A position's place is its distance from `origin`, modulo the ring's size. Whenever a writer finds
 * the queue empty it moves `origin`, so that the next bytes lie on pages that were used before: a
 * fresh page costs as much as many small writes, and a queue that is read all the time stays in the
 * processor's cache. Pages are given back when the queue is idle, and where PIPESHIM_DRAIN_MAX is
 * near and they lie behind `sent`.
 *
 * All but the readers' side (ring_place, ring_read) is for the holder of the stream's lock.
 */
#ifndef PIPESHIM_DRAIN_RING_H
#define PIPESHIM_DRAIN_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "drain/stream.h"

static inline char *ring_of(const struct stream *stream)
{
    char *rings = (char *)drain_memory + HEADER_ROOM;
    return rings + (uint64_t)(stream - drain_memory->streams) * drain_memory->ring_size;
}

/* Offset in the ring. A reader must have found `at` below `head` before. */
static inline uint64_t ring_place(struct stream *stream, uint64_t at)
{
    return (at - atomic_load_explicit(&stream->origin, memory_order_acquire)) &
           (drain_memory->ring_size - 1);
}

/* The header of the record at `at`: aligned, so it does not wrap. */
static inline struct record ring_record(struct stream *stream, uint64_t at)
{
    const struct record *record =
        __builtin_assume_aligned(ring_of(stream) + ring_place(stream, at), RECORD_ALIGN);
    return *record;
}

/* For the writer: the helper has read the next places when they were used before, on another core,
 * and the record's end waits until they are ours again. To ask for them early hides that. */
static inline void ring_prefetch(struct stream *stream, uint64_t at)
{
    enum { AHEAD = 512, LINE = 64 };
    const char *place = ring_of(stream) + ring_place(stream, at + AHEAD);
#if defined(__x86_64__) /* gcc's builtin asks for a shared copy; older processors ignore prefetchw \
                         */
    __asm__ volatile("prefetchw (%0)\n\tprefetchw %c1(%0)" : : "r"(place), "i"(LINE));
#else
    __builtin_prefetch(place, 1);
    __builtin_prefetch(place + LINE, 1);
#endif
}

/* Moves `origin` if the queue is empty, and makes the pages up to position `to` that are touched
 * for the first time, many at once (Linux 5.14; else they are made as they are touched). False:
 * there is no memory. */
bool ring_prepare(struct stream *stream, uint64_t to);

/* Copies `size` bytes of the vector, from its offset `skip` on, to position `at`. */
void ring_write(struct stream *stream, uint64_t at, const struct iovec *vector, uint64_t skip,
                uint64_t size);

static inline void ring_write_record(struct stream *stream, uint64_t at, struct record record)
{
    struct record *place =
        __builtin_assume_aligned(ring_of(stream) + ring_place(stream, at), RECORD_ALIGN);
    *place = record;
}

/* Gives back all but a small part of an empty queue's pages, or all with `all`. */
void ring_rest(struct stream *stream, bool all);

#endif
