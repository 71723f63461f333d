// SPDX-License-Identifier: MIT
/*
 * The writers' side of a stream's memory: which chunk holds what, and how many are mapped. Only
 * what is queued has pages: a chunk that was sent is used again first, for its pages are warm, and
 * but for a few its pages are given back.
 *
 * For the holder of the stream's lock.
 */
#ifndef PIPESHIM_DRAIN_CHUNKS_H
#define PIPESHIM_DRAIN_CHUNKS_H

#include <sys/uio.h>

#include "drain/stream.h"

/* Makes space from the end of the queue to position `to`. False: there is no memory, or no address
 * space (RLIMIT_AS), for it. */
bool chunks_prepare(struct stream *stream, uint64_t to);

/* True if that takes pages made anew, though the stream has what it may keep when it is empty. */
bool chunks_would_grow(struct stream *stream, uint64_t to);

/* Takes back the chunks of what was sent; counts what the helper has taken as queued no more. */
void chunks_collect(struct stream *stream);

/* Counts from `stream->counted` on: bytes that the helper has taken, or writers dropped. */
void chunks_count(struct stream *stream);

/* Copies `size` bytes of the vector, from its offset `skip` on, to position `at`. It can be read,
 * or `by_kernel`: then false says that a part of it cannot. */
bool chunks_write(struct stream *stream, uint64_t at, const struct iovec *vector, uint64_t skip,
                  uint64_t size, bool by_kernel);

static inline char *chunks_place(struct stream *stream, uint64_t at)
{
    return channel_place(atomic_load_explicit(&stream->channel, memory_order_relaxed),
                         stream->chunks, stream->mapped, at);
}

static inline void chunks_write_record(struct stream *stream, uint64_t at, struct record record)
{
    struct record *place = __builtin_assume_aligned(chunks_place(stream, at), RECORD_ALIGN);
    *place = record;
}

/* The helper has read the next places when they were used before, on another core, and the record's
 * end waits until they are ours again. To ask for them early hides that. */
static inline void chunks_prefetch(struct stream *stream, uint64_t at)
{
    enum { AHEAD = 512, LINE = 64 };
    const char *place = chunks_place(stream, at + AHEAD);
#if defined(__x86_64__) /* gcc's builtin asks for a shared copy; older processors ignore prefetchw \
                         */
    __asm__ volatile("prefetchw (%0)\n\tprefetchw %c1(%0)" : : "r"(place), "i"(LINE));
#else
    __builtin_prefetch(place, 1);
    __builtin_prefetch(place + LINE, 1);
#endif
}

static inline struct record chunks_record(struct stream *stream, uint64_t at)
{
    return channel_record(atomic_load(&stream->channel), stream->chunks, stream->mapped, at);
}

/* The pages of all chunks that hold nothing go back. */
void chunks_rest(struct stream *stream);

/* The episode is over: everything goes. */
void chunks_drop_all(struct stream *stream);

/* Runs on: program threads, watchdog. AS-safe: yes. Blocks: no. */
#endif
