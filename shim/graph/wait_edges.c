// SPDX-License-Identifier: MIT
/* From what a thread waits in to the processes that could let it go on. */
#include <string.h>

#include "graph/wait_edges.h"
#include "graph/wait_graph_parts.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/open_wait.h"
#include "kernel/proc_reader.h"
#include "kernel/socket_peers.h"

static bool memory_allowed(const struct wait_graph *graph)
{
    return (graph->access & ACCESS_MEMORY) != 0;
}

void edges_add(struct edge_maker *maker, const struct wait_edge *edge)
{
    struct wait_graph *graph = maker->graph;
    if (graph->edge_count == graph->edge_limit) {
        graph->incomplete = true;
        maker->thread->free = true;
        return;
    }
    graph->edges[graph->edge_count++] = *edge;
    maker->thread->edge_count++;
}

/* A process that may not be read can hold the end as well when it was started by one of those that
 * do: sudo, a set-user-id helper. */
static bool may_be_held_unseen(const struct wait_graph *graph, uint32_t process)
{
    int pid = graph->processes[process].pid;
    for (uint32_t i = 0; graph->unreadable > 0 && i < graph->process_count; i++) {
        const struct wait_process *other = &graph->processes[i];
        if (!other->readable && other->parent == pid && other->state != 'Z')
            return true;
    }
    return false;
}

/* Who holds the other end is not among the processes that were scanned. */
void edges_leave_open(struct edge_maker *maker)
{
    maker->graph->open = true;
    maker->thread->free = true;
}

/* Of a writer whose call may not be read: it may be stuck on a pipe of which no reader is seen, but
 * must be somewhere. */
static bool may_be_read_unseen(const struct edge_maker *maker)
{
    return maker->thread->candidates > 0 && maker->graph->unreadable > 0;
}

/* Edges to all holders of the other end. */
static void add_holders(struct edge_maker *maker, const struct wait_holder *end, int own_fd,
                        enum wait_reason reason, bool for_close)
{
    const struct wait_graph *graph = maker->graph;
    uint32_t count, first = wait_graph_holders(graph, end->key, &count);
    uint32_t last_process = NO_INDEX;
    for (uint32_t i = first; i < first + count; i++) {
        const struct wait_holder *holder = &graph->holders[i];
        if (!(holder->access & end->access) || holder->process == last_process)
            continue;
        last_process = holder->process;
        struct wait_edge edge = {holder->process, reason, own_fd, holder->fd, end->key, for_close};
        edges_add(maker, &edge);
        if (may_be_held_unseen(graph, holder->process))
            maker->thread->free = true;
    }
    if (last_process == NO_INDEX && graph->partial)
        edges_leave_open(maker);
    else if (last_process == NO_INDEX && (reason == REASON_INPUT || may_be_read_unseen(maker)))
        maker->thread->free = true; /* nobody to write: the end of file is about to be read */
    if (may_be_held_unseen(graph, maker->thread->process))
        maker->thread->free = true;
}

/* A pipe with something in it lets its reader go, one with space its writer; both are on their way
 * and only seen a moment too early. */
static bool is_ready(const struct edge_maker *maker, int fd,
                     const struct fd_description *description, unsigned waits_for, int64_t unread)
{
    struct pipe_fill fill;
    if (description->kind == LINK_SOCKET && unread >= 0)
        return waits_for == WAIT_FOR_INPUT && unread > 0;
    if (waits_for == WAIT_FOR_INPUT && description->access == FD_WRITES)
        return false;
    if (!(maker->graph->access & ACCESS_BORROW))
        return false;
    long error = borrowed_pipe_fill(maker->pid, fd, true, &fill);
    if (error < 0)
        return proc_is_no_answer(error);
    return waits_for == WAIT_FOR_SPACE ? fill.full == 0 : fill.used > 0;
}

static void add_channel(struct edge_maker *maker, int fd, const struct fd_description *description,
                        unsigned waits_for)
{
    struct wait_holder end;
    int64_t unread;
    if (!wait_graph_other_end(maker->graph, maker->pid, description, waits_for, &end, &unread)) {
        if (description->kind == LINK_SOCKET &&
            wait_graph_socket_listens(maker->graph, maker->pid, description))
            maker->listeners++;
        else
            maker->thread->free = true; /* a remote peer, or a closed one */
        return;
    }
    if (is_ready(maker, fd, description, waits_for, unread)) {
        maker->thread->free = true;
        return;
    }
    if (description->kind == LINK_SOCKET) {
        uint32_t count;
        wait_graph_holders(maker->graph, end.key, &count);
        if (count == 0 && maker->graph->partial)
            edges_leave_open(maker);
        else if (count == 0)
            maker->thread->free = true; /* its holder is not visible */
    }
    if (waits_for == WAIT_FOR_SPACE)
        add_holders(maker, &end, fd, REASON_SPACE, false);
    else
        add_holders(maker, &end, fd, REASON_INPUT, description->access == FD_WRITES);
}

static bool add_descriptor(void *context, int fd, unsigned waits_for)
{
    struct edge_maker *maker = context;
    struct fd_description description;
    if (fd_describe(maker->pid, fd, &description) < 0) {
        maker->thread->free = true;
        return false;
    }
    if (fd_is_channel(&description)) {
        if (waits_for & WAIT_FOR_SPACE)
            add_channel(maker, fd, &description, WAIT_FOR_SPACE);
        if (waits_for != WAIT_FOR_SPACE)
            add_channel(maker, fd, &description, WAIT_FOR_INPUT);
    } else if (description.kind == LINK_PIDFD) {
        edges_to_pidfd(maker, fd);
    } else if (description.kind == LINK_EPOLL && !maker->nested) {
        maker->nested = true;
        if (!epoll_set_each(maker->pid, fd, add_descriptor, maker))
            maker->thread->free = true;
        maker->nested = false;
    } else if (strcmp(description.link, "anon_inode:[eventfd]") == 0) {
        edges_to_own_threads(maker); /* by which the threads of an event loop wake it */
    } else {
        maker->thread->free = true; /* a terminal, a timer, a signal, a file */
    }
    return !maker->thread->free;
}

static void add_set(struct edge_maker *maker)
{
    if (!wait_set_each(maker->pid, &maker->thread->wait, memory_allowed(maker->graph),
                       add_descriptor, maker))
        maker->thread->free = true;
}

/* Can this be what a thread waits on whose call may not be read? A pipe with content keeps no
 * reader waiting, one with space no writer. */
static bool is_candidate(const struct edge_maker *maker, const struct wait_holder *holder)
{
    bool writes = maker->thread->wait.kind == WAIT_WRITE;
    struct pipe_fill fill;
    if (holder->process != maker->thread->process ||
        !(holder->access & (writes ? FD_WRITES : FD_READS)))
        return false;
    if (!(maker->graph->access & ACCESS_BORROW) ||
        borrowed_pipe_fill(maker->pid, holder->fd, true, &fill) < 0)
        return true;
    return writes ? fill.full != 0 : fill.used <= 0;
}

/* Where the call may not be read (Yama), wchan says that the thread reads or writes, not what. It
 * waits for one of the objects that it can be: for any of their holders, which is the widest and so
 * the safe assumption. */
static void add_candidates(struct edge_maker *maker)
{
    const struct wait_graph *graph = maker->graph;
    unsigned waits_for = maker->thread->wait.kind == WAIT_WRITE ? WAIT_FOR_SPACE : WAIT_FOR_INPUT;
    for (uint32_t i = 0; i < graph->holder_count && !maker->thread->free; i++) {
        if (!is_candidate(maker, &graph->holders[i]))
            continue;
        maker->thread->candidates++;
        add_descriptor(maker, graph->holders[i].fd, waits_for);
    }
    if (maker->thread->candidates == 0)
        maker->thread->free = true;
}

/* A thread for which a new connection is all that there is to wait for, but for the other threads
 * of its process. */
static void judge_listeners(struct edge_maker *maker)
{
    struct wait_thread *thread = maker->thread;
    if (thread->free || maker->listeners == 0)
        return;
    thread->free = thread->listener = true;
    for (uint32_t e = 0; e < thread->edge_count; e++)
        thread->listener &= maker->graph->edges[thread->first_edge + e].process == thread->process;
}

static void make_edges(struct edge_maker *maker)
{
    struct wait_thread *thread = maker->thread;
    switch (thread->wait.kind) {
    case WAIT_READ:
    case WAIT_WRITE:
        if (thread->wait.fd < 0)
            add_candidates(maker);
        else
            add_set(maker);
        break;
    case WAIT_POLL:
    case WAIT_SELECT:
    case WAIT_EPOLL:
        add_set(maker);
        judge_listeners(maker);
        edges_to_child_signals(maker);
        break;
    case WAIT_ACCEPT:
        thread->free = thread->listener = true;
        break;
    case WAIT_CHILD:
        edges_to_waited_child(maker);
        break;
    case WAIT_LOCK:
        edges_to_lock_holder(maker);
        break;
    case WAIT_FUTEX:
        edges_to_futex(maker);
        break;
    case WAIT_OPEN:
        thread->free = true;
        thread->unopened =
            memory_allowed(maker->graph) &&
            open_wait_for_reader(&thread->wait, maker->pid, &(struct fd_description){});
        break;
    case WAIT_STOPPED: /* only from outside, and nobody can be named who will */
    case WAIT_ZOMBIE:
        break;
    default:
        thread->free = true;
    }
}

static void judge_limit(const struct wait_graph *graph, struct wait_thread *thread, int pid)
{
    thread->limit_ms = INT64_MAX;
    if (thread->free || thread->wait.kind == WAIT_STOPPED)
        return;
    thread->limit_ms = thread_wait_limit_ms(&thread->wait, pid, memory_allowed(graph));
    thread->timed = thread->limit_ms != INT64_MAX;
    thread->free = thread->limit_ms < TIMED_WAIT_MS;
    if (!thread->free || thread->wait.kind == WAIT_SLEEP)
        return;
    for (uint32_t e = 0; e < thread->edge_count && !thread->recurs; e++)
        thread->recurs = graph->edges[thread->first_edge + e].reason == REASON_SPACE;
    thread->free = thread->timed = !thread->recurs;
}

void wait_graph_make_edges(struct wait_graph *graph, struct wait_thread *thread, int pid)
{
    struct edge_maker maker = {.graph = graph, .thread = thread, .pid = pid};
    make_edges(&maker);
    judge_limit(graph, thread, pid);
    if (!thread->wait.switches_known) /* nothing proves that it slept from one scan to the next */
        thread->free = graph->processes[thread->process].opaque = true;
}
