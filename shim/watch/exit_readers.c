// SPDX-License-Identifier: MIT
#include "watch/exit_readers.h"

#include <stddef.h>

#include "base/clock.h"
#include "drain/finish.h"
#include "drain/stream.h"
#include "graph/wait_graph.h"
#include "process/life.h"
#include "watch/graph_memory.h"

enum {
    /* The first two scans come soon after each other, the others are for one that comes back. */
    QUICKLY_NS = 20 * NS_PER_MS,
    LATER_NS = 250 * NS_PER_MS,
    /* subprocess.Popen.wait(timeout=5) asks by waitpid() each 50 ms, in which it is never seen. It
     * might do anything: so it gets time, and PIPESHIM_DRAIN_EXIT=wait is kept. */
    NAPS_FOR_NS = 1200 * NS_PER_MS,
    DEPTH = 8,
};

/* What the scans before saw of a stream. */
struct sighting {
    uint64_t sent;
    enum exit_reader reader;
    uint64_t since_ns; /* and nothing else */
    uint64_t switches; /* of our parent, if it naps */
};
static bool naps; /* a reader waits for us as far as its naps can tell; child: scratch */

static struct graph_memory memory;              /* child: kept, it is a mapping */
static struct wait_graph *graph;                /* child: scratch */
static struct sighting sightings[STREAM_LIMIT]; /* child: scratch */
static uint64_t wait_seen;                      /* finish_wait.since_ns; child: scratch */
static uint64_t next_scan;                      /* child: scratch */

/* Does `process` wait for our end, or for that of one that does? */
static bool awaits(uint32_t process, uint32_t us, unsigned depth)
{
    const struct wait_process *at = &graph->processes[process];
    if (process == us)
        return true;
    for (uint32_t t = 0; depth > 0 && at->loaded && t < at->thread_count; t++) {
        const struct wait_thread *thread = &graph->threads[at->first_thread + t];
        for (uint32_t e = 0; e < thread->edge_count; e++) {
            const struct wait_edge *edge = &graph->edges[thread->first_edge + e];
            bool for_end = edge->reason == REASON_CHILD || edge->reason == REASON_SIGNAL;
            if (for_end && edge->process != process && awaits(edge->process, us, depth - 1))
                return true;
        }
    }
    return false;
}

/* Our parent, all of whose threads sleep, one of them for moments: to ask whether we have ended? */
static bool naps_for_us(uint32_t process, uint32_t us, struct sighting *sighting)
{
    const struct wait_process *at = &graph->processes[process];
    bool found = false;
    if (at->pid != graph->processes[us].parent || atomic_load(&finish_wait.limit_ns) == UINT64_MAX)
        return false;
    for (uint32_t t = 0; t < at->thread_count; t++) {
        const struct wait_thread *thread = &graph->threads[at->first_thread + t];
        if (thread->wait.state != 'S')
            return false;
        found |= thread->wait.kind == WAIT_SLEEP;
    }
    uint64_t before_it = sighting->switches;
    sighting->switches = at->switches;
    return found && at->switches > before_it;
}

static enum exit_reader scan_holder(const struct wait_holder *holder, uint32_t us,
                                    struct sighting *sighting)
{
    int away_epoll;
    uint32_t reader = wait_graph_load(graph, graph->processes[holder->process].pid);
    if (reader == NO_INDEX || !graph->processes[reader].readable)
        return EXIT_READER_AWAY;
    if (wait_graph_listens(graph, reader, holder->key, &away_epoll))
        return EXIT_READER_READS;
    /* Its loop, which is at something else now, will come to it. */
    if (away_epoll >= 0)
        return EXIT_READER_AWAY;
    if (awaits(reader, us, DEPTH))
        return EXIT_READER_AWAITS_US;
    naps |= naps_for_us(reader, us, sighting);
    return naps ? EXIT_READER_AWAITS_US : EXIT_READER_AWAY;
}

/* Our descriptor may be closed, or lead elsewhere by now: the helper has one. */
static bool describe(struct stream *stream, struct fd_description *fd, int *pid)
{
    uint64_t inode = atomic_load(&stream->inode);
    *pid = atomic_load(&life->pid);
    if (fd_describe(*pid, atomic_load(&stream->fd), fd) == 0 && fd->key.inode == inode)
        return true;
    *pid = atomic_load(&stream->helper);
    return fd_describe(*pid, 0, fd) == 0 && fd->key.inode == inode;
}

static enum exit_reader scan_readers(struct stream *stream, uint32_t us, struct sighting *sighting)
{
    struct fd_description fd;
    struct wait_holder end;
    int64_t unread;
    int pid;
    if (us == NO_INDEX || !describe(stream, &fd, &pid) ||
        !wait_graph_other_end(graph, pid, &fd, WAIT_FOR_SPACE, &end, &unread))
        return EXIT_READER_UNKNOWN;
    uint32_t count;
    uint32_t first = wait_graph_holders(graph, end.key, &count);
    enum exit_reader found = EXIT_READER_UNKNOWN;
    for (uint32_t i = first; i < first + count; i++) {
        struct wait_holder holder = graph->holders[i];
        if (!(holder.access & end.access) || holder.process == us)
            continue;
        enum exit_reader reader = scan_holder(&holder, us, sighting);
        if (reader == EXIT_READER_READS)
            return reader;
        if (found != EXIT_READER_AWAY)
            found = reader;
    }
    return found;
}

/* Two scans that agree, without any progress between them. */
static void scan_stream(struct stream *stream, struct sighting *sighting, uint32_t us, bool first)
{
    uint64_t now = clock_monotonic_ns();
    naps = false;
    uint64_t sent = atomic_load(&atomic_load(&stream->channel)->sent);
    enum exit_reader reader = scan_readers(stream, us, sighting);
    if (!first && sent != sighting->sent)
        reader = EXIT_READER_READS;
    bool same = !first && reader == sighting->reader;
    uint64_t since = same ? sighting->since_ns : now;
    if (!first && (same || reader == EXIT_READER_READS) &&
        (!naps || reader != EXIT_READER_AWAITS_US || now - since >= NAPS_FOR_NS))
        atomic_store(&stream->reader, reader);
    *sighting = (struct sighting){sent, reader, since, sighting->switches};
}

static void scan(bool first)
{
    if (wait_graph_scan(graph) != 0 || graph->incomplete || graph->refused)
        return;
    uint32_t us = wait_graph_load(graph, atomic_load(&life->pid));
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++)
        if (!stream_is_sent(&drain_state->streams[i]))
            scan_stream(&drain_state->streams[i], &sightings[i], us, first);
}

uint64_t exit_readers_scan(uint64_t now)
{
    uint64_t since = atomic_load(&finish_wait.since_ns);
    if (since == 0)
        return UINT64_MAX;
    bool first = since != wait_seen;
    if (!first && now < next_scan)
        return next_scan;
    graph = graph_memory_begin(&memory);
    if (!graph)
        return UINT64_MAX;
    scan(first);
    wait_seen = since;
    next_scan = clock_monotonic_ns() + (first ? QUICKLY_NS : LATER_NS);
    return next_scan;
}
