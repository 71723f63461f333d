// SPDX-License-Identifier: MIT
#include "watch/drain_watch.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "drain/drain.h"
#include "drain/episode.h"
#include "drain/finish.h"
#include "drain/headroom.h"
#include "drain/helper_process.h"
#include "drain/settings.h"
#include "drain/space.h"
#include "drain/stream.h"
#include "drain/unsent.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/rights.h"
#include "process/life.h"
#include "report/reporter.h"
#include "slots/slot.h"
#include "watch/context.h"
#include "watch/drain_name.h"
#include "watch/drain_spool.h"
#include "watch/exit_readers.h"
#include "watch/proof.h"
#include "watch/rescues.h"
#include "watch/thread.h"

enum { BETWEEN_SCANS_NS = 20 * NS_PER_MS, PATIENCE_MS = 1000 };

/* Of the last episode that was seen of each stream. */
struct reported_episode {
    uint32_t episode;
    uint64_t ref; /* of its drain_start; 0: it is over, or was held back */
    struct drain_facts facts;
};

/* Used by the watchdog, and at exit by the thread that exits: under the lock. */
static struct reported_episode reported[STREAM_LIMIT];
static uint64_t reported_dropped_bytes, reported_dropped_writes;
static uint32_t reported_known; /* of these something was told, or may have been */
static unsigned fallbacks_reported;
static uint64_t wait_reported; /* finish_wait.since_ns of the wait that was told of */
static uint64_t next_drop_scan;
static _Atomic uint32_t lock;

static bool take_lock(void)
{
    uint64_t deadline = clock_monotonic_ns() + (uint64_t)PATIENCE_MS * NS_PER_MS;
    uint32_t self = (uint32_t)atomic_load(&life->pid);
    for (;;) {
        uint32_t owner = 0;
        if (atomic_compare_exchange_strong(&lock, &owner, self))
            return true;
        if (clock_monotonic_ns() >= deadline)
            return false;
        struct timespec moment = {0, NS_PER_MS / 10};
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
}

void drain_watch_begin_in_child(void)
{
    for (; reported_known > 0; reported_known--)
        reported[reported_known - 1].episode = reported[reported_known - 1].ref = 0;
    reported_dropped_bytes = 0;
    reported_dropped_writes = 0;
    fallbacks_reported = 0;
    wait_reported = 0;
    drain_spool_begin_in_child();
    rescues_begin_in_child();
    next_drop_scan = 0;
    atomic_store(&lock, 0);
}

static void measure(struct stream *stream, struct drain_facts *facts, uint64_t now)
{
    uint64_t ended = atomic_load(&stream->ended_ns);
    uint64_t started = atomic_load(&stream->started_ns);
    uint64_t peak = atomic_load(&stream->episode_peak);
    facts->queued_bytes = atomic_load(&stream->episode_bytes);
    if (atomic_load(&stream->running)) {
        struct channel *channel = atomic_load(&stream->channel);
        uint64_t waiting = channel_head(channel) - atomic_load(&channel->tail);
        peak = atomic_load(&channel->peak);
        /* `head` was read first: the helper may have passed it. */
        if (peak < waiting && waiting < INT64_MAX)
            peak = waiting;
    }
    facts->peak_bytes = peak;
    facts->ns = (ended ? ended : now > started ? now : started) - started;
}

/* The pipe's facts are those of the fd, if it is still that pipe. */
static void name_object(struct stream *stream, struct drain_facts *facts, bool with_peers)
{
    if (with_peers)
        drain_name_with_peers(stream, &facts->object);
    else
        drain_name_by_number(stream, &facts->object);
}

static void report_end(struct reported_episode *episode)
{
    if (episode->ref == 0)
        return;
    episode->facts.ref = episode->ref;
    report_drain(&episode->facts);
    episode->ref = 0;
}

/* `behind` queues what is read at once as well: there it is worth a word when the reader takes
 * nothing for as long as a stuck write is reported after. */
static bool is_ordinary_queue(uint64_t standing_ns)
{
    return drain_settings.write_behind_mode && standing_ns < context_threshold_ns(CLASS_PIPE_WRITE);
}

/* An episode that began and ended between two scans is in the summary only. `scan`: by the
 * watchdog, else the process ends. */
static bool scan_stream(uint32_t index, struct reported_episode *episode, uint64_t now, bool scan,
                        bool with_peers)
{
    struct stream *stream = &drain_state->streams[index];
    uint64_t standing_ns = rescues_note(index, now, NULL, !scan);
    uint32_t number = atomic_load(&stream->episode);
    bool runs = atomic_load(&stream->ended_ns) == 0;
    if (number != episode->episode) {
        if (episode->ref != 0)
            report_end(episode); /* its figures are those of the last scan */
        if (runs && is_ordinary_queue(standing_ns))
            return true;
        episode->episode = number;
        if (!runs)
            return false;
        episode->facts.fd = atomic_load(&stream->fd);
        episode->facts.ref = 0;
        measure(stream, &episode->facts, now);
        name_object(stream, &episode->facts, with_peers);
        rescues_note(index, now, &episode->facts.object, !scan);
        episode->ref = report_drain(&episode->facts);
    }
    if (episode->ref == 0)
        return runs;
    measure(stream, &episode->facts, now);
    if (!runs)
        report_end(episode);
    return runs;
}

/* The program may not write again, and what is queued has to go. The watchdog has none of the
 * program's descriptors: it borrows one, which the new helper inherits. */
static void check_helper(struct stream *stream)
{
    if (!atomic_load(&stream->running))
        return;
    episode_check(stream, -1); /* it may have left */
    if (!helper_was_killed(atomic_load(&stream->channel)) ||
        !(context_permitted_access() & ACCESS_BORROW))
        return;
    long fd = borrowed_fd(atomic_load(&life->pid), atomic_load(&stream->fd));
    if (fd < 0)
        return;
    episode_check(stream, (int)fd);
    raw_syscall(SYS_close, fd);
}

/* A write that was let pass untested, as there was space, and found none. True: it was helped. */
static bool check_untested(struct slot *slot, uint64_t now)
{
    enum { STUCK_FOR_NS = 10 * NS_PER_MS };
    struct slot_record record;
    struct task_call call;
    if (slot->tid == 0 || slot->untested != slot->watch.sequence ||
        now - slot->watch.since_ns < STUCK_FOR_NS || !slot_copy(slot, &record) ||
        record.sequence != slot->watch.sequence || prove(&record, &call) != PROOF_HOLDS ||
        call.number != SYS_write)
        return false;
    long fd = borrowed_fd(atomic_load(&life->pid), (int)call.arguments[0]);
    if (fd < 0)
        return false;
    headroom_rescue((int)fd);
    raw_syscall(SYS_close, fd);
    return true;
}

static void check_headroom(uint64_t now)
{
    static bool went_wrong; /* child: kept, it would go wrong there as well */
    bool watched = context_permitted_access() & ACCESS_BORROW;
    for (unsigned index = 0; watched && index < slot_bound(); index++)
        if (slot_at(index))
            went_wrong |= check_untested(slot_at(index), now);
    atomic_store(&headroom_watched, watched && !went_wrong);
}

/* A helper wakes those who wait for its own queue; the bound is that of all. Not without need: a
 * signal handler that runs while a writer looks for space does not interrupt its write. */
static void wake_those_who_wait(uint32_t known)
{
    uint64_t queued = 0;
    unsigned others = 0;
    if (atomic_load(&drain_state->waiting) == 0)
        return;
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        struct channel *channel = atomic_load(&stream->channel);
        if (!atomic_load(&stream->running))
            continue;
        others++;
        queued += channel_head(channel) - atomic_load(&channel->tail);
    }
    if (others < 2 || queued + RECORD_LIMIT > drain_limits.max)
        return;
    for (uint32_t i = 0; i < known; i++)
        if (atomic_load(&drain_state->streams[i].running))
            space_announce(atomic_load(&drain_state->streams[i].channel));
}

/* Of each stream once, when the exit has lasted a second already because of it. */
static void report_wait(struct stream *stream, uint64_t waited_ns)
{
    static struct drain_wait_facts facts; /* child: scratch */
    struct unsent unsent = {0};
    if (stream_lock_try(stream)) {
        if (atomic_load(&stream->running))
            unsent_measure(stream, &unsent);
        stream_lock_release(stream);
    }
    facts.fd = atomic_load(&stream->fd);
    facts.bytes = unsent.bytes;
    facts.waited_ns = waited_ns;
    facts.limit_ns = atomic_load(&finish_wait.limit_ns);
    facts.exits = atomic_load(&finish_wait.exits);
    facts.is_first = finish_ends_helpers(facts.exits);
    facts.spools = facts.exits && drain_spool_is_wanted();
    drain_name_with_peers(stream, &facts.object);
    report_drain_wait(&facts);
}

/* Who should read what an exit waits for. */
static void check_exit(uint64_t now)
{
    enum { REPORTED_AFTER_NS = NS_PER_S, REPORTED_AT_MOST = 4 };
    uint64_t since = atomic_load(&finish_wait.since_ns);
    exit_readers_scan(now);
    if (since == 0 || since == wait_reported || now < since + REPORTED_AFTER_NS)
        return;
    wait_reported = since;
    unsigned left = REPORTED_AT_MOST;
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; left > 0 && i < known; i++) {
        if (stream_is_sent(&drain_state->streams[i]))
            continue;
        report_wait(&drain_state->streams[i], now - since);
        left--;
    }
}

static void report_drops(void)
{
    struct drain_totals totals = drain_totals();
    if (totals.dropped_writes == reported_dropped_writes)
        return;
    report_drain_loss(DRAIN_DROPPED, totals.dropped_bytes - reported_dropped_bytes,
                      totals.dropped_writes - reported_dropped_writes);
    reported_dropped_bytes = totals.dropped_bytes;
    reported_dropped_writes = totals.dropped_writes;
}

static void report_fallbacks(void)
{
    unsigned now = drain_fallbacks() & ~fallbacks_reported;
    fallbacks_reported |= now;
    if (now & DRAIN_NO_HELPER)
        report_line("no helper process can be started for the drainer (fork refused: memory or "
                    "RLIMIT_NPROC?); writes to full pipes block as they would without it");
    if (now & DRAIN_NO_MEMORY)
        report_line("no memory for more of the drainer's queue: writes wait until it is sent");
    if (now & DRAIN_HELPER_KILLED)
        report_line(
            "the drainer's helper process was killed (out of memory?), which should have sent "
            "what is queued; another goes on: nothing is lost, but what the first was just "
            "writing may arrive twice");
    if (now & DRAIN_TOO_MANY)
        report_line("more pipes are full at once than the drainer has queues (1024); writes to the "
                    "others block as they would without it");
}

static bool scan_streams(uint64_t now, bool scan)
{
    bool open = false;
    uint32_t known = atomic_load(&drain_state->known);
    if (known > reported_known)
        reported_known = known;
    /* To look for a pipe's peers takes a pass over all processes: not for hundreds of pipes. */
    enum { WITH_PEERS_IN_A_SCAN = 4 };
    unsigned begun = 0;
    for (uint32_t i = 0; i < known; i++) {
        uint32_t before = reported[i].episode;
        open |= scan_stream(i, &reported[i], now, scan, scan && begun < WITH_PEERS_IN_A_SCAN);
        begun += reported[i].episode != before;
    }
    report_fallbacks();
    return open;
}

unsigned drain_watch_drains(struct status_drain *out, unsigned limit)
{
    unsigned count = 0;
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        struct channel *channel = atomic_load(&stream->channel);
        if (!atomic_load(&stream->running) || atomic_load(&stream->ended_ns) != 0 || !channel)
            continue;
        uint64_t tail = atomic_load(&channel->tail);
        uint64_t head = channel_head(channel);
        if (count < limit)
            out[count] = (struct status_drain){.fd = atomic_load(&stream->fd),
                                               .inode = atomic_load(&stream->inode),
                                               .queued_bytes = head > tail ? head - tail : 0,
                                               .taken_bytes = atomic_load(&stream->episode_bytes),
                                               .begun_ns = atomic_load(&stream->started_ns)};
        count++;
    }
    return count;
}

uint64_t drain_watch_scan(uint64_t now)
{
    if (!drain_enabled || !rights_hold() || !take_lock())
        return UINT64_MAX;
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++)
        check_helper(&drain_state->streams[i]);
    wake_those_who_wait(known);
    check_headroom(now);
    bool open = scan_streams(now, true);
    check_exit(now);
    if (!open)
        helpers_reap();
    /* The first at once, a stream of drops once a second. */
    if (now >= next_drop_scan) {
        uint64_t before = reported_dropped_writes;
        report_drops();
        if (reported_dropped_writes != before)
            next_drop_scan = now + NS_PER_S;
    }
    atomic_store(&lock, 0);
    return open ? now + BETWEEN_SCANS_NS : UINT64_MAX;
}

static void report_rest(bool exits)
{
    finish_hand_over();
    struct drain_totals totals = drain_totals();
    if (totals.handed_over_writes == 0)
        return;
    bool lost = finish_ends_helpers(exits);
    report_drain_loss(lost ? DRAIN_LOST_WITH_INIT : DRAIN_HANDED_OVER, totals.handed_over_bytes,
                      totals.handed_over_writes);
    if (lost)
        finish_lose();
}

static void end_on_other_stack(void *exits)
{
    if (!take_lock())
        return;
    scan_streams(clock_monotonic_ns(), false);
    report_drops();
    if (exits)
        drain_spool_all();
    report_rest(exits != NULL);
    scan_streams(clock_monotonic_ns(), false);
    atomic_store(&lock, 0);
}

void drain_watch_end(bool exits)
{
    /* An exec in a signal handler comes this way. */
    on_other_stack(end_on_other_stack, exits ? &lock : NULL);
}

static void look_on_other_stack(void *unused)
{
    (void)unused;
    if (!take_lock())
        return;
    check_exit(clock_monotonic_ns());
    atomic_store(&lock, 0);
}

/* The watchdog looks, which has descriptors of its own; after its end, or where there is none, the
 * thread that waits does. */
static void look_for_finish(void)
{
    if (atomic_load(&life->watchdog_tid) != 0 && !atomic_load(&life->finished))
        watchdog_thread_wake();
    else
        on_other_stack(look_on_other_stack, NULL);
}

static void spool_on_other_stack(void *unused)
{
    (void)unused;
    if (!take_lock())
        return;
    drain_spool_all();
    atomic_store(&lock, 0);
}

static void after_late_write(void)
{
    if (drain_spool_is_wanted())
        on_other_stack(spool_on_other_stack, NULL);
}

void drain_watch_prepare(void)
{
    static const struct finish_hooks hooks = {look_for_finish, after_late_write};
    drain_spool_prepare();
    finish_prepare(&hooks, drain_spool_is_wanted());
}
