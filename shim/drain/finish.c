// SPDX-License-Identifier: MIT
#include "drain/finish.h"

#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "config/parse.h"
#include "drain/direct.h"
#include "drain/episode.h"
#include "drain/helper_process.h"
#include "drain/stream.h"
#include "drain/totals.h"
#include "drain/unsent.h"

static uint64_t handed_over_bytes, handed_over_writes;
static struct finish_abandoned abandoned; /* child: scratch */
static uint64_t finish_deadline;          /* 0: the process goes on */
static uint64_t exec_deadline;            /* of an exec that waited, and failed; 0: none */
static struct finish_hooks hooks;         /* child: constant */
static bool spools;                       /* child: constant */
struct finish_wait finish_wait;

void finish_prepare(const struct finish_hooks *wanted, bool to_file)
{
    hooks = *wanted;
    spools = to_file;
}

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
        int fd = helper_was_killed(channel) ? episode_descriptor(stream) : atomic_load(&stream->fd);
        episode_check(stream, fd);
        sent = sent && (stream_is_sent(stream) || fd < 0); /* without one nobody can send it */
    }
    return sent;
}

/* Counts what a stream holds, and what its helper has in its hands; begun anew when it has sent
 * something meanwhile. */
static void leave(struct stream *stream)
{
    struct unsent unsent = {0};
    if (!atomic_load(&stream->running) || stream_lock_take(stream) != STREAM_LOCKED)
        return;
    bool goes_on = episode_leave(stream);
    for (int tries = 0; tries < 4 && atomic_load(&stream->running); tries++)
        if (unsent_measure(stream, &unsent))
            break;
    if (!goes_on)
        episode_end_taken_back(stream); /* by nobody: it is counted below */
    stream_lock_release(stream);
    if (goes_on) {
        atomic_store(&stream->handed_over, unsent.bytes);
        handed_over_bytes += unsent.bytes;
        handed_over_writes += unsent.writes;
    } else {
        atomic_fetch_add(&stream->lost, unsent.bytes);
        atomic_fetch_add(&drain_state->lost, unsent.bytes);
        abandoned.bytes += unsent.bytes;
        abandoned.writes += unsent.writes;
    }
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

/* True if it is known of each stream that is not sent, and `verdict` (or anything) of each. */
static bool all_readers(enum exit_reader verdict, bool any_verdict)
{
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        uint32_t reader = atomic_load(&stream->reader);
        if (!stream_is_sent(stream) &&
            (any_verdict ? reader == EXIT_READER_UNKNOWN : reader != verdict))
            return false;
    }
    return true;
}

/* The kernel ends all processes of a PID namespace with its first one. */
bool finish_ends_helpers(bool exits)
{
    return exits && raw_syscall(SYS_getpid) == 1;
}

/* Until `deadline`, or until it is clear that nobody will read before this process has ended. */
static void wait_until(uint64_t deadline, bool exits, bool to_know)
{
    enum { BETWEEN_SCANS_NS = 20 * NS_PER_MS };
    bool any = false;
    uint64_t next_scan = 0;
    bool hands_over = spools || !finish_ends_helpers(exits);
    while (!all_sent(&any)) {
        uint64_t now = clock_monotonic_ns();
        if (now >= deadline || (hands_over && all_readers(EXIT_READER_AWAITS_US, false)) ||
            (to_know && all_readers(EXIT_READER_UNKNOWN, true)))
            return;
        if (now >= next_scan && hooks.look) {
            hooks.look();
            next_scan = now + BETWEEN_SCANS_NS;
        }
        struct timespec moment = {0, NS_PER_MS};
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
}

static void wait_until_sent(uint64_t deadline, bool exits)
{
    enum { TO_COUNT_NS = 200 * NS_PER_MS, TO_KNOW_NS = 500 * NS_PER_MS };
    uint64_t now = clock_monotonic_ns();
    if (deadline < now + TO_COUNT_NS && a_reader_is_gone())
        deadline = now + TO_COUNT_NS;
    bool to_know = exits && spools && deadline < now + TO_KNOW_NS;
    if (to_know)
        deadline = now + TO_KNOW_NS;
    atomic_store(&finish_wait.limit_ns, deadline == UINT64_MAX ? UINT64_MAX : deadline - now);
    atomic_store(&finish_wait.exits, exits);
    atomic_store(&finish_wait.since_ns, now);
    wait_until(deadline, exits, to_know);
    atomic_store(&finish_wait.since_ns, 0);
}

static void forget_readers(void)
{
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++)
        atomic_store(&drain_state->streams[i].reader, EXIT_READER_UNKNOWN);
}

bool finish(uint64_t patience_ns, bool exits)
{
    bool any = false;
    uint64_t now = clock_monotonic_ns();
    uint64_t deadline = patience_ns >= MAX_DURATION ? UINT64_MAX : now + patience_ns;
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
    forget_readers();
    wait_until_sent(deadline, exits);
    return true;
}

struct finish_abandoned finish_hand_over(void)
{
    handed_over_bytes = 0;
    handed_over_writes = 0;
    abandoned = (struct finish_abandoned){0};
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++)
        leave(&drain_state->streams[i]);
    return abandoned;
}

void finish_lose(void)
{
    atomic_fetch_add(&drain_state->lost, handed_over_bytes);
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++)
        atomic_fetch_add(&drain_state->streams[i].lost,
                         atomic_exchange(&drain_state->streams[i].handed_over, 0));
    handed_over_bytes = 0;
    handed_over_writes = 0;
}

void finish_late_write(ssize_t result)
{
    bool any = false;
    if (!finish_deadline || result <= 0 || all_sent(&any))
        return;
    wait_until_sent(finish_deadline, true);
    if (hooks.after_late_write && !all_sent(&any))
        hooks.after_late_write();
}

void finish_begin_in_child(void)
{
    handed_over_bytes = 0;
    handed_over_writes = 0;
    finish_deadline = 0;
    exec_deadline = 0;
    atomic_store(&finish_wait.since_ns, 0);
}

void finish_add_totals(struct drain_totals *totals)
{
    uint32_t known = atomic_load(&drain_state->known);
    totals->lost_bytes = atomic_load(&drain_state->lost);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        totals->queued_bytes += atomic_load(&stream->queued_bytes);
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
