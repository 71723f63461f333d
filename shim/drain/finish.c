// SPDX-License-Identifier: MIT
#include "drain/finish.h"

#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/chunks.h"
#include "drain/direct.h"
#include "drain/episode.h"
#include "drain/helper_process.h"
#include "drain/stream.h"
#include "drain/totals.h"

static uint64_t handed_over_bytes, handed_over_writes;
static uint64_t finish_deadline; /* 0: the process goes on */
static uint64_t exec_deadline;   /* of an exec that waited, and failed; 0: none */

static bool all_sent(bool *any)
{
    bool sent = true;
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        *any |= atomic_load(&stream->episode) != 0;
        if (!atomic_load(&stream->running))
            continue;
        struct channel *channel = atomic_load(&stream->channel);
        atomic_store(&channel->let_go, 1);
        helper_wake(channel);
        episode_check(stream, atomic_load(&stream->fd));
        sent = sent && stream_is_sent(stream);
    }
    return sent;
}

/* What lies in [at, head) of the stream, whose lock is held. The helper sends meanwhile. */
static bool count_from(struct stream *stream, uint64_t at, uint64_t *bytes, uint64_t *writes)
{
    struct channel *channel = atomic_load(&stream->channel);
    uint64_t head = channel_head(channel);
    *bytes = 0;
    *writes = 0;
    while (at < head) {
        struct record record = chunks_record(stream, at);
        if (atomic_load(&channel->tail) > at || record.size > RECORD_LIMIT)
            return false;
        *bytes += record.size;
        *writes += !(record.flags & RECORD_CONTINUED);
        at += record_space(record.size);
    }
    return true;
}

/* Counts what a stream holds; begun anew when the helper has passed us. */
static void count_left(struct stream *stream)
{
    uint64_t bytes = 0;
    uint64_t writes = 0;
    if (!atomic_load(&stream->running) || stream_lock_take(stream) != STREAM_LOCKED)
        return;
    struct channel *channel = atomic_load(&stream->channel);
    for (int tries = 0; tries < 4 && atomic_load(&stream->running); tries++)
        if (count_from(stream, atomic_load(&channel->tail), &bytes, &writes))
            break;
    stream_lock_release(stream);
    handed_over_bytes += bytes;
    handed_over_writes += writes;
}

/* What is queued for it is lost, and its helper is just about to say so. */
static bool a_reader_is_gone(void)
{
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        if (!stream_is_sent(stream) && direct_reader_is_gone(atomic_load(&stream->fd)))
            return true;
    }
    return false;
}

static void wait_until_sent(uint64_t deadline)
{
    enum { TO_COUNT_NS = 200 * NS_PER_MS };
    bool any = false;
    uint64_t to_count = clock_monotonic_ns() + TO_COUNT_NS;
    if (deadline < to_count && a_reader_is_gone())
        deadline = to_count;
    while (!all_sent(&any) && clock_monotonic_ns() < deadline) {
        struct timespec moment = {0, NS_PER_MS};
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
}

bool finish(uint64_t patience_ns, bool exits)
{
    bool any = false;
    uint64_t now = clock_monotonic_ns();
    uint64_t deadline = patience_ns > UINT64_MAX - now ? UINT64_MAX : now + patience_ns;
    if (exits)
        finish_deadline = deadline;
    else if (exec_deadline)
        deadline = exec_deadline; /* once is enough */
    if (all_sent(&any))
        exec_deadline = 0;
    else if (!exits)
        exec_deadline = deadline;
    if (!any)
        return false;
    wait_until_sent(deadline);
    handed_over_bytes = 0;
    handed_over_writes = 0;
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++)
        count_left(&drain_state->streams[i]);
    return true;
}

void finish_late_write(ssize_t result)
{
    if (finish_deadline && result > 0)
        wait_until_sent(finish_deadline);
}

void finish_begin_in_child(void)
{
    handed_over_bytes = 0;
    handed_over_writes = 0;
    finish_deadline = 0;
    exec_deadline = 0;
}

void finish_add_totals(struct drain_totals *totals)
{
    uint32_t known = atomic_load(&drain_state->known);
    totals->lost_bytes = atomic_load(&drain_state->lost);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        if (!atomic_load(&stream->running))
            continue;
        struct channel *channel = atomic_load(&stream->channel);
        uint64_t waiting = channel_head(channel) - atomic_load(&channel->tail);
        uint64_t peak = atomic_load(&channel->peak);
        totals->lost_bytes += atomic_load(&channel->lost);
        totals_note_peak(waiting > peak && waiting < INT64_MAX ? waiting : peak);
    }
    totals->handed_over_bytes = handed_over_bytes;
    totals->handed_over_writes = handed_over_writes;
}
