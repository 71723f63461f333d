// SPDX-License-Identifier: MIT
#include "drain/queue.h"

#include <errno.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/direct.h"
#include "drain/fallback.h"
#include "drain/ring.h"
#include "drain/room.h"
#include "drain/survival.h"
#include "drain/totals.h"
#include "process/life.h"

enum { LOOK_AGAIN_NS = NS_PER_MS / 4 };

static void sleep_a_moment(void)
{
    struct timespec moment = {0, LOOK_AGAIN_NS};
    raw_syscall(SYS_nanosleep, &moment, 0);
}

/* Takes the oldest whole write out of the queue. False: what is there has begun. */
static bool drop_oldest(struct stream *stream)
{
    uint64_t tail = atomic_load(&stream->tail);
    uint64_t head = atomic_load(&stream->head);
    uint64_t at = tail;
    uint64_t bytes = 0;
    struct record record = {0, RECORD_CONTINUED};
    if (atomic_load(&stream->middle))
        return false;
    while (at < head && (record.flags & RECORD_CONTINUED)) {
        record = ring_record(stream, at);
        if (at == tail && (record.flags & RECORD_BEGUN) && atomic_load(&stream->tail) == tail)
            return false;
        at += record_space(record.size);
        bytes += record.size;
    }
    if (at == tail || at > head || !atomic_compare_exchange_strong(&stream->tail, &tail, at))
        return at != tail; /* the helper was faster: room all the same */
    atomic_fetch_sub(&drain_memory->queued, at - tail);
    totals_drop(bytes);
    return true;
}

static uint64_t space_of(uint64_t bytes)
{
    uint64_t whole = bytes / RECORD_LIMIT;
    uint64_t rest = bytes % RECORD_LIMIT;
    return whole * record_space(RECORD_LIMIT) + (rest ? record_space((uint32_t)rest) : 0);
}

static bool has_room(struct stream *stream, uint64_t space)
{
    if (space > stream->reserved &&
        atomic_load_explicit(&drain_memory->queued, memory_order_relaxed) + space -
                stream->reserved >
            drain_memory->max)
        return false;
    uint64_t to = atomic_load_explicit(&stream->head, memory_order_relaxed) + space;
    if (to > stream->room_to)
        stream->room_to = atomic_load(drain_memory->drops_oldest ? &stream->tail : &stream->sent) +
                          drain_memory->ring_size;
    return to <= stream->room_to;
}

static void begin_episode(struct stream *stream, int fd)
{
    atomic_store(&stream->owner, (int32_t)raw_syscall(SYS_getpid));
    atomic_store(&stream->fd, fd);
    atomic_store(&stream->started_ns, clock_monotonic_ns());
    atomic_store(&stream->ended_ns, 0);
    atomic_store(&stream->episode_bytes, 0);
    atomic_store(&stream->episode_peak, 0);
}

/* The helper's end of the handshake is may_leave(). False: no helper could be started. */
static bool helper_is_there(struct stream *stream, int fd)
{
    uint32_t state;
    while ((state = atomic_load(&stream->state)) == HELPER_LEAVES && !helper_was_killed(stream))
        raw_syscall(SYS_sched_yield);
    if (state != HELPER_NONE && helper_was_killed(stream)) {
        if (!survival_go_on(stream, fd)) {
            fallback_note(DRAIN_NO_HELPER);
            return false;
        }
        state = atomic_load(&stream->state);
    }
    if (state == HELPER_NONE) {
        if (stream_is_empty(stream))
            return true;
        begin_episode(stream, fd);
        if (!helper_start(stream, fd)) {
            fallback_note(DRAIN_NO_HELPER);
            return false;
        }
        atomic_fetch_add(&stream->episode, 1);
        atomic_fetch_add(&queue_totals.episodes, 1);
    }
    if (atomic_load(&stream->sleeping))
        helper_wake(stream);
    return true;
}

/* The process that a queued write belongs to. A vfork child writes for its parent. */
static uint32_t own_pid(void)
{
    int32_t begun = atomic_load_explicit(&life->pid, memory_order_relaxed);
    return (uint32_t)(begun ? begun : raw_syscall(SYS_getpid));
}

static void note_queued(struct stream *stream, uint64_t size, uint64_t in_queue)
{
    _Atomic uint64_t *total = &queue_totals.queued_bytes[stream - drain_memory->streams];
    uint64_t before = atomic_load_explicit(total, memory_order_relaxed);
    atomic_store_explicit(total, before + size, memory_order_relaxed);
    if (in_queue > atomic_load_explicit(&queue_totals.peak_bytes, memory_order_relaxed))
        atomic_store_explicit(&queue_totals.peak_bytes, in_queue, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&stream->episode_bytes, memory_order_relaxed);
    atomic_store_explicit(&stream->episode_bytes, bytes + size, memory_order_relaxed);
}

/* Counts the bytes as queued; returns how many are. Write-behind, whose writes cost little more
 * than this addition, counts them in portions. */
static uint64_t reserve(struct stream *stream, uint64_t space)
{
    enum { PORTIONS_OF_BOUND = 512 };
    uint64_t queued = atomic_load_explicit(&drain_memory->queued, memory_order_relaxed);
    uint64_t portion = drain_memory->exact ? 0 : drain_memory->max / PORTIONS_OF_BOUND;
    if (space > stream->reserved) {
        uint64_t more = space - stream->reserved;
        if (queued + more + portion <= drain_memory->max)
            more += portion;
        queued = atomic_fetch_add(&drain_memory->queued, more) + more;
        stream->reserved += more;
    }
    stream->reserved -= space;
    return queued - stream->reserved;
}

/* Appends; there is room. False: not queued, no helper or memory to be had. */
static bool append(struct stream *stream, int fd, const struct iovec *vector, uint64_t skip,
                   uint64_t size)
{
    uint64_t before = atomic_load_explicit(&stream->head, memory_order_relaxed);
    uint64_t at = before;
    uint64_t space = space_of(size);
    if (!ring_prepare(stream, before + space)) {
        fallback_note(DRAIN_NO_MEMORY);
        return false;
    }
    uint64_t queued = reserve(stream, space);
    for (uint64_t left = size; left > 0;) {
        uint64_t part = left < RECORD_LIMIT ? left : RECORD_LIMIT;
        uint32_t flags = (left > part ? RECORD_CONTINUED : 0) | (skip > 0 ? RECORD_BEGUN : 0);
        ring_write_record(stream, at, (struct record){(uint32_t)part, flags});
        ring_write(stream, at + sizeof(struct record), vector, skip, part);
        at += record_space((uint32_t)part);
        skip += part;
        left -= part;
    }
    ring_prefetch(stream, at);
    atomic_store_explicit(&stream->last_writer, own_pid(), memory_order_relaxed);
    atomic_store(&stream->head, at);
    if (!helper_is_there(stream, fd)) {
        atomic_store(&stream->head, before);
        atomic_fetch_sub(&drain_memory->queued, space);
        return false;
    }
    note_queued(stream, size, queued);
    return true;
}

enum room { ROOM_FOR_SOME, ROOM_DROPPED, ROOM_LATER, ROOM_NONE };

/* `*size` becomes how much may be queued now. ROOM_LATER: after a wait. */
static enum room make_room(struct stream *stream, uint64_t *size, bool begun,
                           enum drain_overflow overflow)
{
    enum { PIECE = RECORD_LIMIT / 2 };
    uint64_t space = space_of(*size);
    bool too_large = space > drain_memory->max;
    while (!has_room(stream, space)) {
        if (too_large && (begun || overflow == DRAIN_BLOCK) && has_room(stream, space_of(PIECE))) {
            *size = PIECE; /* by and by */
            return ROOM_FOR_SOME;
        }
        if (stream_is_sent(stream))
            return ROOM_NONE;
        if (overflow == DRAIN_DROP_OLD && (begun || !too_large) && drop_oldest(stream))
            continue;
        return overflow != DRAIN_BLOCK && !begun ? ROOM_DROPPED : ROOM_LATER;
    }
    return ROOM_FOR_SOME;
}

/* What is queued goes first, also if a process to send it comes only later. */
static void wait_until_sent(struct stream *stream, int fd)
{
    while (!stream_is_sent(stream)) {
        helper_is_there(stream, fd);
        sleep_a_moment();
    }
}

enum queue_outcome queue_write(struct stream *stream, int fd, const struct iovec *vector, int count,
                               uint64_t *done, enum drain_overflow overflow, uint32_t *asked)
{
    uint64_t size = vector_size(vector, count);
    while (*done < size) {
        uint64_t part = size - *done;
        enum room room = make_room(stream, &part, *done > 0, overflow);
        if (room == ROOM_LATER) {
            helper_is_there(stream, fd);
            *asked = room_ask(stream);
            room = make_room(stream, &part, *done > 0, overflow);
        }
        if (room == ROOM_NONE)
            return QUEUE_NO_ROOM;
        if (room == ROOM_LATER && *done == 0)
            return QUEUE_FULL;
        /* What has begun keeps the lock: it is one write. */
        if (room == ROOM_LATER && room_wait(stream, *asked) == -EINTR)
            return QUEUE_INTERRUPTED;
        if (room == ROOM_LATER)
            continue;
        if (room == ROOM_DROPPED) {
            totals_drop(size);
            return QUEUE_DONE;
        }
        if (!append(stream, fd, vector, *done, part)) {
            wait_until_sent(stream, fd);
            return QUEUE_NOT_POSSIBLE;
        }
        *done += part;
    }
    return QUEUE_DONE;
}
