// SPDX-License-Identifier: MIT
#include "drain/take_back.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/chunks.h"
#include "drain/episode.h"
#include "drain/totals.h"
#include "drain/unsent.h"

static long write_bytes(int file, const char *from, uint64_t size)
{
    while (size > 0) {
        long done = raw_syscall(SYS_write, file, from, size);
        if (done == -EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? done : -ENOSPC;
        from += done;
        size -= (uint64_t)done;
    }
    return 0;
}

/* [at, at + size) of the queue, which lies in two chunks at most. */
static long write_payload(struct stream *stream, int file, uint64_t at, uint64_t size)
{
    struct channel *channel = atomic_load(&stream->channel);
    while (size > 0) {
        uint64_t part = chunk_rest(at) < size ? chunk_rest(at) : size;
        long result =
            write_bytes(file, channel_place(channel, stream->chunks, stream->mapped, at), part);
        if (result < 0)
            return result;
        at += part;
        size -= part;
    }
    return 0;
}

static long write_all(struct stream *stream, int file, const struct unsent *unsent)
{
    uint32_t skip = unsent->begun;
    for (uint64_t at = unsent->from; at < unsent->to;) {
        struct record record = chunks_record(stream, at);
        if (record.size > RECORD_LIMIT || skip > record.size)
            return -EIO;
        long result = write_payload(stream, file, at + sizeof record + skip, record.size - skip);
        if (result < 0)
            return result;
        at += record_space(record.size);
        skip = 0;
    }
    return 0;
}

/* Until nothing moves while it is measured. */
static bool measure(struct stream *stream, struct unsent *unsent)
{
    enum { TRIES = 16 };
    for (int i = 0; i < TRIES; i++)
        if (unsent_measure(stream, unsent))
            return true;
    return false;
}

static bool is_gone(struct channel *channel)
{
    return helper_was_killed(channel) || channel_has_left(channel);
}

/* True: the helper has gone, by itself or because it was asked to. */
static bool ask_helper(struct stream *stream)
{
    enum { ASK_AGAIN_NS = 2 * NS_PER_MS, PATIENCE_NS = 500 * NS_PER_MS };
    struct channel *channel = atomic_load(&stream->channel);
    uint64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
    uint32_t asked = GIVE_BACK_ASKED;
    atomic_store(&channel->give_back, GIVE_BACK_ASKED);
    while (!is_gone(channel)) {
        struct timespec moment = {0, ASK_AGAIN_NS};
        /* It may have been about to begin a system call, which the signal before did not end. */
        if (atomic_load(&channel->give_back) == GIVE_BACK_ASKED)
            raw_syscall(SYS_kill, atomic_load(&stream->helper), SIGALRM);
        if (clock_monotonic_ns() >= deadline &&
            atomic_compare_exchange_strong(&channel->give_back, &asked, GIVE_BACK_NO))
            return false;
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
    return true;
}

/* The lock is held. */
static long take(struct stream *stream, int file, struct taken_back *taken)
{
    struct unsent before;
    struct unsent after;
    long end = raw_syscall(SYS_lseek, file, 0, SEEK_END);
    if (end < 0)
        return end;
    if (!measure(stream, &before))
        return -ETIMEDOUT;
    taken->offset = (uint64_t)end;
    long result = write_all(stream, file, &before);
    if (result == 0 && !ask_helper(stream))
        result = -ETIMEDOUT;
    if (result == 0 && !unsent_measure(stream, &after))
        result = -EIO;
    if (result == 0 && (after.from != before.from || after.begun != before.begun)) {
        /* It was read after all, meanwhile: less is left. */
        raw_syscall(SYS_ftruncate, file, end);
        result = write_all(stream, file, &after);
    }
    if (result < 0) {
        raw_syscall(SYS_ftruncate, file, end);
        return result;
    }
    if (after.taken > 0)
        totals_drop(after.taken);
    taken->bytes = after.bytes - after.taken;
    taken->writes = after.writes - (after.taken > 0);
    atomic_fetch_add(&queue_totals.spooled_bytes, taken->bytes);
    atomic_fetch_add(&stream->spooled, taken->bytes);
    episode_end_taken_back(stream);
    return 0;
}

long take_back(struct stream *stream, int file, struct taken_back *taken)
{
    *taken = (struct taken_back){0};
    if (stream_lock_take(stream) != STREAM_LOCKED)
        return -ETIMEDOUT;
    long result = atomic_load(&stream->running) ? take(stream, file, taken) : 0;
    stream_lock_release(stream);
    return result;
}
