// SPDX-License-Identifier: MIT
#include "watch/drain_reports.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/zeroed_memory.h"
#include "drain/drain.h"
#include "drain/finish.h"
#include "drain/settings.h"
#include "drain/stream.h"
#include "drain/unsent.h"
#include "report/reporter.h"
#include "watch/context.h"
#include "watch/drain_name.h"
#include "watch/drain_spool.h"
#include "watch/exit_readers.h"
#include "watch/rescues.h"

/* Of what is queued for a pipe: when something was last taken. */
struct standstill {
    uint32_t episode;
    uint64_t sent;     /* bytes, at the last scan */
    uint64_t scan_ns;  /* that scan */
    uint64_t since_ns; /* nothing was taken since; 0: it moves, or nothing is queued */
};

/* Of the last episode that was seen of each stream. */
struct reported_episode {
    struct standstill standstill;
    uint32_t episode;
    uint64_t ref; /* of its drain_start; 0: it is over, or was held back */
    struct drain_facts facts;
};

/* Used by the watchdog, and at exit by the thread that exits: one at a time. */
static struct reported_episode *reported; /* STREAM_LIMIT, at the first; child: kept, a mapping */
static uint64_t reported_dropped_bytes, reported_dropped_writes;
static uint32_t reported_known; /* of these something was reported, or may have been */
static unsigned fallbacks_reported;
static uint64_t wait_reported; /* finish_wait.since_ns of the wait that was reported */
static uint64_t next_drop_scan;

void drain_reports_begin_in_child(void)
{
    for (; reported_known > 0; reported_known--) {
        struct reported_episode *episode = &reported[reported_known - 1];
        episode->episode = episode->standstill.episode = 0;
        episode->ref = 0;
    }
    reported_dropped_bytes = 0;
    reported_dropped_writes = 0;
    fallbacks_reported = 0;
    wait_reported = 0;
    next_drop_scan = 0;
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

/* False if it cannot be reported now. */
static bool report_end(struct reported_episode *episode)
{
    uint64_t seq;
    if (episode->ref == 0)
        return true;
    episode->facts.ref = episode->ref;
    if (!report_drain(&episode->facts, &seq))
        return false;
    episode->ref = 0;
    return true;
}

/* For how long nothing has been taken from what is queued, in ns. */
static uint64_t standing_for(struct stream *stream, struct standstill *standstill, uint64_t now)
{
    uint32_t episode = atomic_load(&stream->episode);
    struct channel *channel = atomic_load(&stream->channel);
    if (episode == 0 || !channel)
        return 0;
    bool waits = !stream_is_sent(stream);
    uint64_t sent = atomic_load(&channel->sent) + atomic_load(&channel->begun);
    bool stands = waits && episode == standstill->episode && sent == standstill->sent;
    if (!stands)
        standstill->since_ns = 0;
    else if (standstill->since_ns == 0)
        standstill->since_ns = standstill->scan_ns;
    standstill->episode = episode;
    standstill->sent = sent;
    standstill->scan_ns = now;
    return standstill->since_ns ? now - standstill->since_ns : 0;
}

/* `behind` queues what is read at once as well: there it is worth a word when the reader takes
 * nothing for as long as a stuck write is reported after. */
static bool is_ordinary_queue(uint64_t standing_ns)
{
    return drain_settings.write_behind_mode && standing_ns < context_threshold_ns(CLASS_PIPE_WRITE);
}

/* An episode that began and ended between two scans is in the summary only. `scan`: by the
 * watchdog, else the process ends. True: one lasts, or (`*refused`) is to be told of later. */
static bool scan_stream(uint32_t index, struct reported_episode *episode, uint64_t now, bool scan,
                        bool with_peers, bool *refused)
{
    struct stream *stream = &drain_state->streams[index];
    uint64_t standing_ns = standing_for(stream, &episode->standstill, now);
    rescues_note(index, now, standing_ns, NULL, !scan);
    uint32_t number = atomic_load(&stream->episode);
    bool runs = atomic_load(&stream->ended_ns) == 0;
    if (number != episode->episode) {
        *refused = !report_end(episode); /* its figures are those of the last scan */
        if (*refused)
            return true;
        bool begins = scan && atomic_load(&stream->episode_bytes) == 0; /* its first record */
        if (runs && (begins || is_ordinary_queue(standing_ns)))
            return true;
        if (!runs) {
            episode->episode = number;
            return false;
        }
        episode->facts.fd = atomic_load(&stream->fd);
        episode->facts.ref = 0;
        measure(stream, &episode->facts, now);
        name_object(stream, &episode->facts, with_peers);
        rescues_note(index, now, standing_ns, &episode->facts.object, !scan);
        *refused = !report_drain(&episode->facts, &episode->ref);
        if (*refused)
            return true;
        episode->episode = number;
    }
    if (episode->ref == 0)
        return runs;
    measure(stream, &episode->facts, now);
    *refused = !runs && !report_end(episode);
    return runs || *refused;
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
void drain_reports_exit(uint64_t now)
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

void drain_reports_drops(void)
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

bool drain_reports_streams(uint64_t now, bool scan)
{
    bool open = false, refused = false;
    uint32_t known = atomic_load(&drain_state->known);
    if (known > 0 && !reported && !(reported = zeroed_memory(STREAM_LIMIT * sizeof *reported)))
        known = 0;
    if (known > reported_known)
        reported_known = known;
    /* To look for a pipe's peers takes a pass over all processes: not for hundreds of pipes. */
    enum { WITH_PEERS_IN_A_SCAN = 4 };
    unsigned begun = 0;
    for (uint32_t i = 0; i < known; i++) {
        uint32_t before = reported[i].episode;
        open |=
            scan_stream(i, &reported[i], now, scan, scan && begun < WITH_PEERS_IN_A_SCAN, &refused);
        begun += reported[i].episode != before;
        if (refused) /* the others are, too, each after some patience: at the next scan */
            return true;
    }
    report_fallbacks();
    return open;
}

/* The first at once, a stream of drops once a second. */
void drain_reports_drops_now_and_then(uint64_t now)
{
    uint64_t before = reported_dropped_writes;
    if (now < next_drop_scan)
        return;
    drain_reports_drops();
    if (reported_dropped_writes != before)
        next_drop_scan = now + NS_PER_S;
}

void drain_reports_rest(bool exits)
{
    struct finish_abandoned abandoned = finish_hand_over();
    report_fallbacks();
    if (abandoned.writes > 0)
        report_drain_loss(DRAIN_LOST_WITHOUT_HELPER, abandoned.bytes, abandoned.writes);
    struct drain_totals totals = drain_totals();
    if (totals.handed_over_writes == 0)
        return;
    bool lost = finish_ends_helpers(exits);
    report_drain_loss(lost ? DRAIN_LOST_WITH_INIT : DRAIN_HANDED_OVER, totals.handed_over_bytes,
                      totals.handed_over_writes);
    if (lost)
        finish_lose();
}
