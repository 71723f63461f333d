// SPDX-License-Identifier: MIT
#include "drain/queue.h"

#include <string.h>

#include "base/raw_syscall.h"
#include "drain/chunks.h"
#include "drain/episode.h"
#include "drain/fallback.h"
#include "drain/helper_process.h"
#include "drain/mapping_changes.h"
#include "drain/space.h"
#include "drain/totals.h"

static struct channel *channel_of(struct stream *stream)
{
    return atomic_load_explicit(&stream->channel, memory_order_relaxed);
}

/* Takes the oldest whole write out of the queue. False: what is there has begun. */
static bool drop_oldest(struct stream *stream)
{
    struct channel *channel = channel_of(stream);
    uint64_t tail = atomic_load(&channel->tail);
    uint64_t head = channel_head(channel);
    uint64_t at = tail;
    uint64_t bytes = 0;
    struct record record = {0, RECORD_CONTINUED};
    if (atomic_load(&channel->middle))
        return false;
    while (at < head && (record.flags & RECORD_CONTINUED)) {
        record = chunks_record(stream, at);
        if (at == tail && (record.flags & RECORD_BEGUN) && atomic_load(&channel->tail) == tail)
            return false;
        at += record_space(record.size);
        bytes += record.size;
    }
    if (at == tail || at > head || !atomic_compare_exchange_strong(&channel->tail, &tail, at))
        return at != tail; /* the helper was faster: space all the same */
    chunks_count(stream);
    totals_drop(bytes);
    return true;
}

static uint64_t space_of(uint64_t bytes)
{
    uint64_t whole = bytes / RECORD_LIMIT;
    uint64_t rest = bytes % RECORD_LIMIT;
    return whole * record_space(RECORD_LIMIT) + (rest ? record_space((uint32_t)rest) : 0);
}

/* Of this stream, and of the others where nobody is inside. False: there is one where somebody is.
 */
static bool count_all(struct stream *stream)
{
    bool all = true;
    uint32_t known = atomic_load(&drain_state->known);
    if (atomic_load(&stream->running))
        chunks_count(stream);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *other = &drain_state->streams[i];
        if (other == stream || !atomic_load(&other->running))
            continue;
        if (!stream_lock_try(other)) {
            all = false;
            continue;
        }
        if (atomic_load(&other->running))
            chunks_count(other);
        stream_lock_release(other);
    }
    return all;
}

static bool fits(uint64_t space)
{
    return atomic_load_explicit(&drain_state->queued, memory_order_relaxed) + space <=
           drain_limits.max;
}

/* In the sum of all queues, and in the chunks of this one. */
static bool has_space(struct stream *stream, uint64_t space, bool *uncounted)
{
    uint64_t most = (uint64_t)drain_limits.chunks << drain_limits.chunk_bits;
    bool running = atomic_load(&stream->running);
    if (drain_limits.exact && running)
        chunks_count(stream);
    if (!fits(space)) {
        bool all = count_all(stream);
        if (!fits(space)) {
            *uncounted = !all;
            return false;
        }
    }
    if (!running)
        return space <= most;
    uint64_t to = channel_head(channel_of(stream)) + space;
    if (to - stream->freed_to > most)
        chunks_collect(stream);
    return to - stream->freed_to <= most;
}

/* The same of a queue that goes on, where no other one need be counted for it. */
static bool has_space_at_once(struct stream *stream, uint64_t space)
{
    uint64_t most = (uint64_t)drain_limits.chunks << drain_limits.chunk_bits;
    if (drain_limits.exact)
        chunks_count(stream);
    return fits(space) && channel_head(channel_of(stream)) + space - stream->freed_to <= most;
}

/* What most writes are: a record that lies in one chunk, and is whole in the vector's first piece.
 * False: it is another. */
static bool write_one_record(struct stream *stream, uint64_t at, const struct queued_write *write,
                             uint64_t size)
{
    if (write->done > 0 || write->vector->iov_len != size || size > RECORD_LIMIT ||
        chunk_rest(at) < record_space((uint32_t)size))
        return false;
    char *place = chunks_place(stream, at);
    struct record *record = __builtin_assume_aligned(place, RECORD_ALIGN);
    *record = (struct record){(uint32_t)size, 0};
    memcpy(place + sizeof *record, write->vector->iov_base, size);
    return true;
}

static bool write_records(struct stream *stream, uint64_t at, const struct queued_write *write,
                          uint64_t size)
{
    uint64_t skip = write->done;
    bool by_kernel = !mapping_is_as_asked(write->version);
    if (!by_kernel && write_one_record(stream, at, write, size))
        return true;
    for (uint64_t left = size; left > 0;) {
        uint64_t part = left < RECORD_LIMIT ? left : RECORD_LIMIT;
        uint32_t flags = (left > part ? RECORD_CONTINUED : 0) | (skip > 0 ? RECORD_BEGUN : 0);
        chunks_write_record(stream, at, (struct record){(uint32_t)part, flags});
        if (!chunks_write(stream, at + sizeof(struct record), write->vector, skip, part, by_kernel))
            return false;
        at += record_space((uint32_t)part);
        skip += part;
        left -= part;
    }
    return true;
}

/* Appends `size` bytes; there is space for them. QUEUE_DONE, or why not. */
static enum queue_outcome append(struct stream *stream, struct queued_write *write, uint64_t size)
{
    struct channel *channel = channel_of(stream);
    uint64_t head = atomic_load_explicit(&channel->head, memory_order_relaxed);
    uint64_t space = space_of(size);
    if (head & ~CHANNEL_POSITION)
        return QUEUE_ELSEWHERE;
    if (write->spares && chunks_would_grow(stream, head + space))
        return QUEUE_SPARED;
    if (!chunks_prepare(stream, head + space)) {
        fallback_note(DRAIN_NO_MEMORY);
        return QUEUE_NOT_POSSIBLE;
    }
    if (!write_records(stream, head, write, size))
        return QUEUE_UNREADABLE;
    chunks_prefetch(stream, head + space);
    atomic_fetch_add_explicit(&drain_state->queued, space, memory_order_relaxed);
    if (!atomic_compare_exchange_strong(&channel->head, &head, head + space)) {
        drain_uncount(space);
        return QUEUE_ELSEWHERE; /* the helper has just left, or the stream was sealed */
    }
    if (!atomic_load_explicit(&channel->open, memory_order_relaxed))
        atomic_store(&channel->open, 1);
    helper_wake(channel);
    write->done += size;
    stream_note_queued(stream, size);
    return QUEUE_DONE;
}

enum admission { ADMIT_SOME, ADMIT_DROPPED, ADMIT_LATER, ADMIT_NEVER };

/* `*size` becomes how much may be queued now. ADMIT_LATER: after a wait. */
static enum admission admit(struct stream *stream, struct queued_write *write, uint64_t *size,
                            enum drain_overflow overflow)
{
    bool begun = write->done > 0;
    enum { PIECE = RECORD_LIMIT / 2 };
    uint64_t space = space_of(*size);
    bool too_large = space > drain_limits.max;
    for (;;) {
        /* Asked first: what the helper sends after the count is no other pipe's. */
        bool sent = stream_is_sent(stream);
        if (has_space(stream, space, &write->uncounted))
            return ADMIT_SOME;
        if (too_large && (begun || overflow == DRAIN_BLOCK) &&
            has_space(stream, space_of(PIECE), &write->uncounted)) {
            *size = PIECE; /* by and by */
            return ADMIT_SOME;
        }
        if (sent)
            return ADMIT_NEVER;
        if (overflow == DRAIN_DROP_OLD && (begun || !too_large) && drop_oldest(stream))
            continue;
        return overflow != DRAIN_BLOCK && !begun ? ADMIT_DROPPED : ADMIT_LATER;
    }
}

enum queue_outcome queue_write(struct stream *stream, struct queued_write *write,
                               enum drain_overflow overflow, uint32_t *asked)
{
    while (write->done < write->size) {
        uint64_t part = write->size - write->done;
        bool goes_on = episode_goes_on(stream);
        if (!goes_on)
            episode_check_locked(stream, write->fd);
        enum admission admission = goes_on && has_space_at_once(stream, space_of(part))
                                       ? ADMIT_SOME
                                       : admit(stream, write, &part, overflow);
        if (admission == ADMIT_LATER) {
            *asked = space_request(channel_of(stream));
            admission = admit(stream, write, &part, overflow);
        }
        if (admission == ADMIT_NEVER)
            return QUEUE_NO_SPACE;
        if (admission == ADMIT_LATER)
            return QUEUE_FULL;
        if (admission == ADMIT_DROPPED) {
            totals_drop(write->size);
            return QUEUE_DONE;
        }
        if (atomic_load(&stream->sealed))
            return QUEUE_ELSEWHERE;
        if (!goes_on && !episode_go_on(stream, write->fd))
            return QUEUE_NOT_POSSIBLE;
        enum queue_outcome outcome = append(stream, write, part);
        if (outcome == QUEUE_ELSEWHERE && channel_has_left(channel_of(stream)))
            continue; /* another helper */
        if (outcome != QUEUE_DONE)
            return outcome;
    }
    return QUEUE_DONE;
}
