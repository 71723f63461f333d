// SPDX-License-Identifier: MIT
#include "drain/finish.h"

#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/ring.h"
#include "drain/stream.h"
#include "drain/survival.h"
#include "drain/totals.h"

static uint64_t lost_before; /* drain_memory->lost_bytes when this process began */
static uint64_t handed_over_bytes, handed_over_writes;
static uint64_t finish_deadline; /* 0: the process goes on */
static uint64_t exec_deadline;   /* of an exec that waited, and failed; 0: none */

static bool is_mine(struct stream *stream)
{
    return atomic_load(&stream->last_writer) == (uint32_t)raw_syscall(SYS_getpid);
}

static bool all_sent(bool *any)
{
    bool sent = true;
    for (int i = 0; i < STREAM_LIMIT; i++) {
        struct stream *stream = &drain_memory->streams[i];
        if (!is_mine(stream))
            continue;
        *any = true;
        atomic_store(&stream->let_go, 1);
        if (atomic_load(&stream->sleeping))
            helper_wake(stream);
        survival_look(stream, atomic_load(&stream->fd));
        sent = sent && stream_is_sent(stream);
    }
    return sent;
}

/* Counts what a stream holds. The helper sends meanwhile: begun anew when it has passed us. */
static void count_left(struct stream *stream)
{
    uint64_t head = atomic_load(&stream->head);
    for (int tries = 0; tries < 4; tries++) {
        uint64_t at = atomic_load(&stream->tail);
        uint64_t bytes = 0;
        uint64_t writes = 0;
        bool whole = true;
        while (at < head && whole) {
            struct record record = ring_record(stream, at);
            whole = atomic_load(&stream->tail) <= at && record.size <= RECORD_LIMIT;
            bytes += record.size;
            writes += !(record.flags & RECORD_CONTINUED);
            at += record_space(record.size);
        }
        if (!whole && tries < 3)
            continue;
        handed_over_bytes += bytes;
        handed_over_writes += writes;
        return;
    }
}

static void wait_until_sent(uint64_t deadline)
{
    bool any = false;
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
    for (int i = 0; i < STREAM_LIMIT; i++)
        if (is_mine(&drain_memory->streams[i]))
            count_left(&drain_memory->streams[i]);
    return true;
}

void finish_late_write(ssize_t result)
{
    if (finish_deadline && result > 0)
        wait_until_sent(finish_deadline);
}

void finish_begin_in_child(void)
{
    lost_before = atomic_load(&drain_memory->lost_bytes);
    finish_deadline = 0;
    handed_over_bytes = 0;
    handed_over_writes = 0;
    exec_deadline = 0;
}

void finish_add_totals(struct drain_totals *totals)
{
    totals->lost_bytes = atomic_load(&drain_memory->lost_bytes) - lost_before;
    totals->handed_over_bytes = handed_over_bytes;
    totals->handed_over_writes = handed_over_writes;
}
