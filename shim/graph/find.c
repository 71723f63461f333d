// SPDX-License-Identifier: MIT
/* All findings of a graph, and the scans that make and confirm them. */
#include "graph/finding.h"

#include <string.h>

#include "base/text_buffer.h"
#include "graph/finding_links.h"
#include "graph/finding_words.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"

/* CPU time without a read that makes a reader one that computes: on a busy machine a reader that is
 * seen running twice may only have waited for its turn. */
#define COMPUTES_NS ((uint64_t)50 * 1000 * 1000)

/* In a pipeline that has come to a halt every stage but the last is stuck for the same cause: only
 * the one nearest to it is reported. Two that are stuck in front of each other (a Java program, of
 * which no cycle can be proven) are both. */
static bool is_reported_downstream(const struct wait_finding *finding,
                                   const struct wait_finding *findings, unsigned count)
{
    if (finding->kind != FINDING_READER_AWAY || finding->count < 2)
        return false;
    for (unsigned i = 0; i < count; i++) {
        const struct wait_finding *other = &findings[i];
        bool mutual = other->count > 1 && other->chain[1].tid == finding->chain[0].tid;
        if (other != finding && other->kind != FINDING_EOF_NEVER && !mutual &&
            other->chain[0].tid == finding->chain[1].tid)
            return true;
    }
    return false;
}

unsigned wait_graph_find(struct wait_graph *graph, struct wait_finding *findings, unsigned limit)
{
    unsigned count = 0;
    /* From what is proven to what needs an assumption each. */
    static const unsigned passes[] = {ACT_ALL, ACT_ALL & ~ACT_TIMED, ACT_TIMED, 0};
    /* Who holds an end, or could act, may be who was left out: nobody is away, or missing. */
    if (graph->refused || graph->incomplete)
        return 0;
    for (unsigned pass = 0; pass < sizeof passes / sizeof *passes; pass++)
        count = finding_deadlocks(graph, passes[pass], findings, count, limit);
    for (uint32_t i = 0; i < graph->thread_count && count < limit; i++) {
        const struct wait_thread *thread = &graph->threads[i];
        /* One that comes round in a likely deadlock may keep a backlog instead. */
        if (finding_backlog(graph, i, &findings[count]) ||
            (!graph->processes[thread->process].reported &&
             (finding_stuck_write(graph, thread, &findings[count]) ||
              finding_endless_read(graph, thread, &findings[count]) ||
              finding_unopened(graph, thread, &findings[count]))))
            count++;
    }
    for (unsigned i = 0; i < count;) {
        if (is_reported_downstream(&findings[i], findings, count)) {
            memmove(&findings[i], &findings[i + 1], (count - i - 1) * sizeof *findings);
            count--;
        } else {
            i++;
        }
    }
    return count;
}

static bool names_process(const struct wait_finding *finding, int pid)
{
    for (unsigned i = 0; i < finding->count; i++) {
        if (finding->chain[i].pid == pid)
            return true;
    }
    return false;
}

/* Of a graph of relatives. */
static bool scanned_may_be_stuck(struct wait_graph *graph, int pid)
{
    uint32_t process = wait_graph_load(graph, pid);
    /* A child that has ended may have left somebody behind who holds the pipe that is read. */
    if (process == NO_INDEX || graph->open || graph->incomplete || graph->refused ||
        process_has_zombie_child(graph, pid))
        return true;
    for (uint32_t i = 0; i < graph->processes[process].thread_count; i++) {
        if (graph->threads[graph->processes[process].first_thread + i].unopened)
            return true; /* whatever its other threads do */
    }
    wait_graph_reduce(graph, 0);
    return !graph->processes[process].can_act;
}

/* Something is, or may be, left unread of what somebody on this machine has sent. */
static bool is_unread_socket(const struct wait_graph *graph, int pid,
                             const struct fd_description *fd)
{
    struct socket_state state;
    struct wait_holder end;
    int64_t unread;
    if (socket_state_read(pid, fd, graph->access, &state) && (state.listening || state.unread == 0))
        return false;
    return wait_graph_other_end(graph, pid, fd, 0, &end, &unread) && unread != 0;
}

bool wait_graph_has_read(const struct wait_graph *graph, int pid, int fd)
{
    struct fd_description description;
    struct pipe_fill fill;
    if (fd_describe(pid, fd, &description) < 0)
        return false;
    return description.kind == LINK_SOCKET
               ? !is_unread_socket(graph, pid, &description)
               : borrowed_pipe_fill(pid, fd, false, &fill) == 0 && fill.used == 0;
}

static bool has_read_all(const struct wait_graph *graph, uint32_t process)
{
    for (uint32_t i = 0; i < graph->holder_count; i++) {
        const struct wait_holder *own = &graph->holders[i];
        if (own->process == process && (own->access & FD_READS) &&
            !wait_graph_has_read(graph, graph->processes[process].pid, own->fd))
            return false;
    }
    return true;
}

static bool is_settled(struct wait_graph *graph, int pid)
{
    return !scanned_may_be_stuck(graph, pid) && !wait_graph_space_is_wanted(graph, pid);
}

bool wait_graph_is_at_peace(struct wait_graph *graph, int pid)
{
    if (!(graph->access & ACCESS_BORROW) || wait_graph_scan_descendants(graph, pid) < 0)
        return false;
    uint32_t process = wait_graph_process(graph, pid);
    if (process == NO_INDEX || !has_read_all(graph, process))
        return false;
    if (is_settled(graph, pid))
        return true;
    return wait_graph_scan_closest(graph, pid) == 0 && is_settled(graph, pid);
}

bool wait_graph_may_be_stuck(struct wait_graph *graph, int pid)
{
    return wait_graph_scan_relatives(graph, pid) < 0 || scanned_may_be_stuck(graph, pid);
}

unsigned wait_graph_examine(struct wait_graph *graph, int pid, struct wait_finding *findings,
                            unsigned limit)
{
    if (wait_graph_scan(graph) < 0 || wait_graph_load(graph, pid) == NO_INDEX)
        return 0;
    wait_graph_load_neighbours(graph, pid);
    unsigned count = wait_graph_find(graph, findings, limit);
    for (unsigned i = 1; i < count && !names_process(&findings[0], pid); i++) {
        if (names_process(&findings[i], pid))
            memcpy(&findings[0], &findings[i], sizeof *findings);
    }
    return count;
}

bool wait_finding_confirms(const struct wait_finding *before, const struct wait_finding *now)
{
    if (before->kind != now->kind || before->fingerprint != now->fingerprint)
        return false;
    if (now->kind == FINDING_DEADLOCK)
        return !finding_is_at_work(before, now);
    if (now->kind == FINDING_BACKLOG)
        return finding_backlog_confirms(before, now);
    if (now->foreseen)
        return before->write_calls != UNKNOWN_NUMBER && now->write_calls > before->write_calls;
    if (now->kind != FINDING_READER_AWAY)
        return true;
    if (now->holder_runs || before->holder_runs)
        return now->holder_runs && before->holder_runs &&
               now->holder_run_tid == before->holder_run_tid &&
               now->holder_run_ns - before->holder_run_ns >= COMPUTES_NS;
    /* A filter whose own output is taken slowly: it reads on when that is done. */
    if (now->holder_writes || before->holder_writes)
        return now->holder_writes && before->holder_writes &&
               now->holder_wakes == before->holder_wakes;
    if (!now->holder_sleeps)
        return true;
    return now->holder_switches - before->holder_switches >= HOLDER_STEPS ||
           now->holder_sleep_ms >= TIMED_WAIT_MS;
}

const char *finding_name(enum finding_kind kind)
{
    static const char names[][20] = {
        [FINDING_DEADLOCK] = "deadlock",
        [FINDING_SELF_READER] = "self_reader",
        [FINDING_NO_READER] = "no_reader",
        [FINDING_READER_STOPPED] = "reader_stopped",
        [FINDING_READER_AWAY] = "reader_away",
        [FINDING_EOF_NEVER] = "eof_never",
        [FINDING_NONBLOCKING_SHARED] = "nonblocking_shared",
        [FINDING_BACKLOG] = "backlog",
        [FINDING_KINDS] = "", /* the end of those that are events */
        [FINDING_BLOCKED] = "blocked",
    };
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "";
}

void finding_describe(const struct wait_graph *graph, struct wait_finding *finding)
{
    struct text_buffer text;
    text_init(&text, finding->words, sizeof finding->words);
    finding_words(graph, finding, &text);
    text_init(&text, finding->advice, sizeof finding->advice);
    finding_advice(finding, &text);
    text_init(&text, finding->rescue, sizeof finding->rescue);
    finding_rescue(finding, &text);
}
