// SPDX-License-Identifier: MIT
#include "drain/chunks.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "drain/readable.h"
#include "drain/signals.h"
#include "process/filters.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* How many of a stream's chunks that hold nothing keep their pages: a chunk's pages cost more than
 * all the writes into it, but a process with a thousand pipes must not keep a gigabyte of them. */
static unsigned kept(void)
{
    enum { KEPT_BYTES = 1 << 20, LEAST = 2 };
    unsigned share =
        (KEPT_BYTES >> drain_limits.chunk_bits) / (atomic_load(&drain_state->active) + 1);
    return share > LEAST ? share : LEAST;
}

static bool bit(const uint64_t *words, unsigned index)
{
    return words[index / 64] >> index % 64 & 1;
}

static void set(uint64_t *words, unsigned index, bool value)
{
    words[index / 64] = (words[index / 64] & ~(1ULL << index % 64)) | (uint64_t)value << index % 64;
}

static struct channel *channel_of(struct stream *stream)
{
    return atomic_load_explicit(&stream->channel, memory_order_relaxed);
}

static void give_back(struct stream *stream, unsigned index)
{
    raw_syscall(SYS_madvise, stream->chunks + index * chunk_size(), chunk_size(), MADV_REMOVE);
    set(stream->touched, index, false);
    atomic_fetch_sub(&drain_state->resident, chunk_size());
}

/* Of the chunks that hold nothing all but `keep`. */
static void give_back_but(struct stream *stream, unsigned keep)
{
    for (unsigned index = 0; index < stream->mapped; index++) {
        if (!bit(stream->touched, index) || bit(stream->used, index))
            continue;
        if (keep > 0)
            keep--;
        else
            give_back(stream, index);
    }
}

void chunks_rest(struct stream *stream)
{
    give_back_but(stream, 0);
}

/* By half as much again, so that a mapping which has to move does so seldom; or by as much as the
 * limits of the process allow. */
static bool map_more(struct stream *stream)
{
    unsigned more = stream->mapped / 2 + 1;
    if (more > drain_limits.chunks - stream->mapped)
        more = drain_limits.chunks - stream->mapped;
    for (; more > 0; more /= 2) {
        long moved = raw_syscall(SYS_mremap, stream->chunks, stream->mapped * chunk_size(),
                                 (stream->mapped + more) * chunk_size(), MREMAP_MAYMOVE, 0);
        if (moved < 0 && moved > -4096)
            continue;
        stream->chunks = (char *)moved;
        stream->mapped += more;
        return true;
    }
    return false;
}

/* Pages of the last chunk, from `ready_to` on: as many as are needed for `to`, a few at once (Linux
 * 5.14; else they are made as they are touched). All of them would take the write that comes to a
 * new chunk tens of microseconds. */
static bool touch(struct stream *stream, uint64_t to)
{
    enum { PIECE = 16 * 1024 };
    uint64_t piece = drain_limits.page > PIECE ? drain_limits.page : PIECE;
    uint64_t from = stream->ready_to & ~(piece - 1);
    to = (to + piece - 1) & ~(piece - 1);
    if (to > stream->chunks_to)
        to = stream->chunks_to;
    long result =
        raw_syscall(SYS_madvise, chunks_place(stream, from), to - from, MADV_POPULATE_WRITE);
    if (result == -ENOMEM || result == -EFAULT)
        return false;
    stream->ready_to = to;
    return true;
}

/* The bound is near: other streams' chunks that hold nothing. */
static void reclaim(struct stream *stream)
{
    uint32_t known = atomic_load(&drain_state->known);
    give_back_but(stream, 0);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *other = &drain_state->streams[i];
        if (other == stream || !atomic_load(&other->running) || !stream_lock_try(other))
            continue;
        if (atomic_load(&other->running)) {
            chunks_collect(other);
            give_back_but(other, 0);
        }
        stream_lock_release(other);
    }
}

/* One that holds nothing, with pages if there is one: `*index`. False: there is none to be had. */
static bool find_chunk(struct stream *stream, unsigned *index)
{
    unsigned free = stream->mapped;
    for (*index = 0; *index < stream->mapped; ++*index) {
        if (bit(stream->used, *index))
            continue;
        if (bit(stream->touched, *index))
            return true;
        if (free == stream->mapped)
            free = *index;
    }
    if (atomic_load(&drain_state->resident) + chunk_size() > drain_limits.max)
        reclaim(stream);
    *index = free;
    return free < stream->mapped || map_more(stream);
}

/* One more at the queue's end. One without pages counts as if it had them all. */
static bool take_chunk(struct stream *stream)
{
    struct channel *channel = channel_of(stream);
    unsigned slot = (unsigned)(stream->chunks_to >> drain_limits.chunk_bits) & (TABLE_SIZE - 1);
    unsigned index;
    if (!find_chunk(stream, &index))
        return false;
    set(stream->used, index, true);
    atomic_store_explicit(&channel->chunk_of[slot], (uint16_t)index, memory_order_relaxed);
    stream->chunks_to += chunk_size();
    if (bit(stream->touched, index)) {
        stream->ready_to = stream->chunks_to;
        return true;
    }
    set(stream->touched, index, true);
    atomic_fetch_add(&drain_state->resident, chunk_size());
    return true;
}

bool chunks_would_grow(struct stream *stream, uint64_t to)
{
    unsigned touched = 0;
    if (to <= stream->chunks_to)
        return false;
    chunks_collect(stream);
    for (unsigned index = 0; index < stream->mapped; index++) {
        if (bit(stream->touched, index) && !bit(stream->used, index))
            return false;
        touched += bit(stream->touched, index);
    }
    return touched >= kept();
}

bool chunks_prepare(struct stream *stream, uint64_t to)
{
    if (to <= stream->ready_to)
        return true;
    uint64_t before = signals_block();
    if (to > stream->chunks_to)
        chunks_collect(stream);
    /* Those that were taken wait for the next write, if this one finds no memory. */
    while (stream->ready_to < to &&
           (stream->ready_to < stream->chunks_to ? touch(stream, to) : take_chunk(stream))) {
    }
    signals_restore(before);
    return stream->ready_to >= to;
}

void chunks_count(struct stream *stream)
{
    struct channel *channel = channel_of(stream);
    uint64_t tail = atomic_load(&channel->tail);
    if (tail <= stream->counted || tail > channel_head(channel))
        return;
    uint64_t signals = signals_block();
    drain_uncount(tail - stream->counted);
    stream->counted = tail;
    signals_restore(signals);
}

void chunks_collect(struct stream *stream)
{
    struct channel *channel = channel_of(stream);
    uint64_t done = atomic_load(drain_limits.drops_oldest ? &channel->tail : &channel->sent);
    uint64_t head = channel_head(channel);
    bool any = false;
    chunks_count(stream);
    if (done > head)
        return;
    uint64_t signals = signals_block();
    while (stream->freed_to + chunk_size() <= done) {
        unsigned slot = (unsigned)(stream->freed_to >> drain_limits.chunk_bits) & (TABLE_SIZE - 1);
        unsigned index = atomic_load_explicit(&channel->chunk_of[slot], memory_order_relaxed);
        if (index < stream->mapped)
            set(stream->used, index, false);
        stream->freed_to += chunk_size();
        any = true;
    }
    if (any)
        give_back_but(stream, kept());
    signals_restore(signals);
}

/* What cannot be read is the answer, not SIGSEGV. Where the kernel does not do it, or a filter
 * might kill for it, what is asked last of all. */
static bool copy_by_kernel(char *to, const char *from, uint64_t size)
{
    struct iovec local = {to, size};
    struct iovec remote = {(char *)from, size};
    long done = -ENOSYS;
    if (!(filters_forbid() & FORBIDS_MEMORY))
        done = raw_syscall(SYS_process_vm_readv, raw_syscall(SYS_getpid), &local, 1, &remote, 1, 0);
    if (done != -ENOSYS && done != -EPERM)
        return done == (long)size;
    if (!readable(from, size, TICKS_LONG_AGO))
        return false;
    memcpy(to, from, size);
    return true;
}

static bool write_bytes(struct stream *stream, uint64_t at, const char *from, uint64_t size,
                        bool by_kernel)
{
    struct channel *channel = channel_of(stream);
    while (size > 0) {
        uint64_t part = chunk_rest(at) < size ? chunk_rest(at) : size;
        char *to = channel_place(channel, stream->chunks, stream->mapped, at);
        if (!by_kernel)
            memcpy(to, from, part);
        else if (!copy_by_kernel(to, from, part))
            return false;
        at += part;
        from += part;
        size -= part;
    }
    return true;
}

bool chunks_write(struct stream *stream, uint64_t at, const struct iovec *vector, uint64_t skip,
                  uint64_t size, bool by_kernel)
{
    for (; size > 0; vector++) {
        if (skip >= vector->iov_len) {
            skip -= vector->iov_len;
            continue;
        }
        uint64_t part = vector->iov_len - skip < size ? vector->iov_len - skip : size;
        if (!write_bytes(stream, at, (const char *)vector->iov_base + skip, part, by_kernel))
            return false;
        at += part;
        size -= part;
        skip = 0;
    }
    return true;
}

void chunks_drop_all(struct stream *stream)
{
    struct channel *channel = channel_of(stream);
    uint64_t head = channel_head(channel);
    for (unsigned index = 0; index < stream->mapped; index++)
        if (bit(stream->touched, index))
            atomic_fetch_sub(&drain_state->resident, chunk_size());
    if (head > stream->counted)
        drain_uncount(head - stream->counted);
    raw_syscall(SYS_munmap, stream->chunks, stream->mapped * chunk_size());
    stream->chunks = 0;
    stream->mapped = 0;
    memset(stream->used, 0, sizeof stream->used);
    memset(stream->touched, 0, sizeof stream->touched);
}
