// SPDX-License-Identifier: MIT
/* Writers whose readers do not listen. */
#include <string.h>

#include "graph/finding_links.h"
#include "kernel/object_reader.h"
#include "kernel/status.h"

static bool is_stopped(const struct wait_graph *graph, uint32_t process)
{
    char state = graph->processes[process].state;
    const struct wait_thread *thread = link_holder_thread(graph, process);
    return state == 'T' || state == 't' || (thread && thread->wait.kind == WAIT_STOPPED);
}

/* What is known of all who hold the reading end. */
struct readers {
    unsigned count, stopped;
    bool listening, own_only, doubt;
    uint32_t holder;
    const struct wait_edge *edge; /* that leads to the holder */
    uint32_t other;               /* of `others` that are neither the holder nor the writer */
    unsigned others;
    int away_epoll;
};

/* `key`: what the writer waits for space in, which may be one of many that it waits for. */
static struct readers examine_readers(const struct wait_graph *graph,
                                      const struct wait_thread *writer, struct object_key key)
{
    struct readers readers = {.own_only = true, .away_epoll = -1, .holder = NO_INDEX};
    for (uint32_t i = 0; i < writer->edge_count && !readers.listening; i++) {
        const struct wait_edge *edge = &graph->edges[writer->first_edge + i];
        const struct wait_process *reader = &graph->processes[edge->process];
        bool own = edge->process == writer->process;
        int away_epoll;
        if (edge->reason != REASON_SPACE || !object_key_equal(edge->key, key))
            continue;
        readers.count++;
        readers.own_only &= own;
        readers.doubt |= reader->opaque;
        if (is_stopped(graph, edge->process))
            readers.stopped++;
        else if (wait_graph_listens(graph, edge->process, edge->key, &away_epoll))
            readers.listening = true;
        else
            readers.away_epoll = away_epoll >= 0 ? away_epoll : readers.away_epoll;
        if (readers.holder == NO_INDEX || readers.holder == writer->process) {
            readers.holder = edge->process;
            readers.edge = edge;
        } else if (!own && edge->process != readers.holder &&
                   (readers.others == 0 || edge->process != readers.other)) {
            readers.other = edge->process;
            readers.others++;
        }
    }
    return readers;
}

static int tracer_of(int pid)
{
    struct status_field tracer = {.name = "TracerPid", .base = 10};
    return status_read(pid, 0, &tracer, 1) ? (int)tracer.value : 0;
}

static enum finding_kind kind_of_readers(const struct readers *readers)
{
    if (readers->count == 0)
        return FINDING_NO_READER;
    if (readers->stopped == readers->count)
        return FINDING_READER_STOPPED;
    return readers->own_only ? FINDING_SELF_READER : FINDING_READER_AWAY;
}

/* Another thread of the holder that computes, or sleeps for a moment, may be a slow reader as well
 * as the one that is named: a client that waits for an answer while a thread of it reads (Python).
 */
static void judge_other_threads(const struct wait_graph *graph, const struct wait_process *holder,
                                const struct wait_thread *named, struct wait_finding *finding)
{
    for (uint32_t i = 0; i < holder->thread_count; i++) {
        const struct wait_thread *other = &graph->threads[holder->first_thread + i];
        if (other == named)
            continue;
        if (other->wait.kind == WAIT_NONE && !finding->holder_runs) {
            finding->holder_runs = true;
            finding->holder_run_ns = thread_run_time_ns(holder->pid, other->tid);
            finding->holder_run_tid = other->tid;
        }
        if (other->wait.kind == WAIT_SLEEP &&
            thread_wait_limit_ms(&other->wait, holder->pid, (graph->access & ACCESS_MEMORY) != 0) <
                TIMED_WAIT_MS) {
            finding->holder_sleeps = true;
            finding->holder_sleep_ms = 0;
        }
    }
}

/* The second link: who should read, and what that process does instead. */
static void add_holder(const struct wait_graph *graph, const struct readers *readers,
                       struct wait_finding *finding)
{
    const struct wait_process *holder = &graph->processes[readers->holder];
    const struct wait_thread *thread = link_holder_thread(graph, readers->holder);
    finding->holder_pid = holder->pid;
    finding->holder_switches = holder->switches;
    finding->away_epoll = readers->away_epoll;
    if (!thread)
        return;
    struct chain_link *link = &finding->chain[finding->count++];
    /* Of the many things that a set waits for none is the one. */
    bool has_set = thread->wait.kind == WAIT_EPOLL || thread->wait.kind == WAIT_POLL ||
                   thread->wait.kind == WAIT_SELECT;
    if (thread->edge_count > 0 && thread->wait.kind != WAIT_FUTEX && !has_set) {
        link_make(graph, thread, &graph->edges[thread->first_edge], link);
    } else {
        link_start(graph, thread, link);
        if (!has_set)
            link_name_object(graph, thread->wait.fd, link);
    }
    finding->holder_writes = thread->wait.kind == WAIT_WRITE;
    finding->holder_wakes = thread->wait.switches;
    finding->holder_runs = thread->wait.kind == WAIT_NONE;
    if (finding->holder_runs) {
        finding->holder_run_ns = thread_run_time_ns(holder->pid, thread->tid);
        finding->holder_run_tid = thread->tid;
    }
    finding->holder_sleeps =
        thread->wait.kind == WAIT_SLEEP ||
        (thread->wait.kind != WAIT_READ && thread->free && thread->limit_ms < TIMED_WAIT_MS);
    if (finding->holder_sleeps)
        finding->holder_sleep_ms =
            thread_wait_limit_ms(&thread->wait, holder->pid, (graph->access & ACCESS_MEMORY) != 0);
    judge_other_threads(graph, holder, thread, finding);
}

/* The descriptor that a thread waits for space in: that of its write, or one of its poll (a program
 * whose descriptor does not block: Node, Bun, asyncio's drain()); -1 none. */
static int full_fd(const struct wait_graph *graph, const struct wait_thread *thread)
{
    for (uint32_t i = 0; i < thread->edge_count; i++) {
        const struct wait_edge *edge = &graph->edges[thread->first_edge + i];
        if (edge->reason == REASON_SPACE)
            return edge->own_fd;
    }
    return thread->wait.kind == WAIT_WRITE ? thread->wait.fd : -1;
}

static bool waits_for_space(const struct wait_graph *graph, const struct wait_thread *thread,
                            struct chain_link *link)
{
    int fd = full_fd(graph, thread);
    if (fd < 0 || thread->free || graph->processes[thread->process].opaque ||
        thread->candidates > 1)
        return false;
    link_start(graph, thread, link);
    link->reason = REASON_SPACE;
    link_name_object(graph, fd, link);
    return link->key.inode != 0 && link->full != 0;
}

static bool descends_from(const struct wait_graph *graph, const struct wait_process *process,
                          const struct wait_process *ancestor)
{
    enum { GENERATIONS = 64 }; /* pids are given again: a circle may be read */
    for (int left = GENERATIONS; left > 0 && process->parent > 1; left--) {
        if (process->parent == ancestor->pid)
            return true;
        uint32_t next = wait_graph_process(graph, process->parent);
        if (next == NO_INDEX)
            return false;
        process = &graph->processes[next];
    }
    return false;
}

/* A write to a pipe without any reader would have failed: somebody who is not seen has the reading
 * end. */
enum unseen { UNSEEN_STRANGER, UNSEEN_ANCESTOR, UNSEEN_NEAR };

/* Near is who may read on in a moment: `app | sudo tee log`, the supervisor that has started it, a
 * child that is another user now. Further up is sshd, of a command without a terminal. */
static enum unseen who_is_unseen(const struct wait_graph *graph, const struct wait_process *writer)
{
    enum unseen who = UNSEEN_STRANGER;
    for (uint32_t i = 0; graph->unreadable > 0 && i < graph->process_count; i++) {
        const struct wait_process *other = &graph->processes[i];
        if (other->readable || other->state == 'Z')
            continue;
        if (other->session == writer->session || other->pid == writer->parent ||
            descends_from(graph, other, writer))
            return UNSEEN_NEAR;
        if (descends_from(graph, writer, other))
            who = UNSEEN_ANCESTOR;
    }
    return who;
}

bool finding_stuck_write(const struct wait_graph *graph, const struct wait_thread *thread,
                         struct wait_finding *finding)
{
    memset(finding, 0, sizeof *finding);
    if (!waits_for_space(graph, thread, &finding->chain[0]))
        return false;
    struct readers readers = examine_readers(graph, thread, finding->chain[0].key);
    if (readers.listening || readers.doubt)
        return false;
    finding->kind = kind_of_readers(&readers);
    if (finding->kind == FINDING_NO_READER) {
        enum unseen who = who_is_unseen(graph, &graph->processes[thread->process]);
        if (who == UNSEEN_NEAR)
            return false;
        finding->likely = who == UNSEEN_ANCESTOR;
    }
    if (finding->kind == FINDING_READER_STOPPED && readers.edge)
        finding->tracer_pid = tracer_of(graph->processes[readers.holder].pid);
    finding->count = 1;
    finding->away_epoll = -1;
    finding->fingerprint = link_mix(link_mix_thread(0, thread), (uint64_t)finding->chain[0].used);
    if (readers.others > 0) {
        finding->other_readers = readers.others;
        finding->other_reader = graph->processes[readers.other].pid;
    }
    if (readers.edge) {
        link_set_for(graph, readers.edge, &finding->chain[0]);
        add_holder(graph, &readers, finding);
    }
    finding_describe(graph, finding);
    return true;
}
