// SPDX-License-Identifier: MIT
/* From what a thread waits in to the processes that could let it go on. */
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/stat.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "graph/wait_graph_parts.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/open_wait.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/socket_peers.h"
#include "kernel/status.h"

/* The thread whose edges are being made. */
struct edge_maker {
    struct wait_graph *graph;
    struct wait_thread *thread;
    int pid;
    bool nested;        /* inside an epoll set that is a member of another */
    unsigned listeners; /* listening sockets among what it waits for */
};

static bool memory_allowed(const struct wait_graph *graph)
{
    return (graph->access & ACCESS_MEMORY) != 0;
}

static void add_edge(struct edge_maker *maker, const struct wait_edge *edge)
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
static void leave_open(struct edge_maker *maker)
{
    maker->graph->open = true;
    maker->thread->free = true;
}

/* Edges to all holders of the other end. */
static void add_holders(struct edge_maker *maker, const struct wait_holder *end, int own_fd,
                        enum wait_reason reason)
{
    const struct wait_graph *graph = maker->graph;
    uint32_t count, first = wait_graph_holders(graph, end->key, &count);
    uint32_t last_process = NO_INDEX;
    for (uint32_t i = first; i < first + count; i++) {
        const struct wait_holder *holder = &graph->holders[i];
        if (!(holder->access & end->access) || holder->process == last_process)
            continue;
        last_process = holder->process;
        struct wait_edge edge = {holder->process, reason, own_fd, holder->fd, end->key};
        add_edge(maker, &edge);
        if (may_be_held_unseen(graph, holder->process))
            maker->thread->free = true;
    }
    if (last_process == NO_INDEX && graph->partial)
        leave_open(maker);
    else if (last_process == NO_INDEX && reason == REASON_INPUT)
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
    if (!(maker->graph->access & ACCESS_BORROW) ||
        borrowed_pipe_fill(maker->pid, fd, true, &fill) < 0)
        return false;
    return waits_for == WAIT_FOR_SPACE ? fill.full == 0 : fill.used > 0;
}

static void add_channel(struct edge_maker *maker, int fd, const struct fd_description *description,
                        unsigned waits_for)
{
    struct wait_holder end;
    int64_t unread;
    if (!wait_graph_other_end(maker->graph, maker->pid, description, waits_for, &end, &unread)) {
        if (description->kind == LINK_SOCKET && socket_listens(maker->pid, description->key.inode))
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
            leave_open(maker);
        else if (count == 0)
            maker->thread->free = true; /* its holder is not visible */
    }
    add_holders(maker, &end, fd, waits_for == WAIT_FOR_SPACE ? REASON_SPACE : REASON_INPUT);
}

static void add_child(struct edge_maker *maker, int pid, int own_fd)
{
    uint32_t child = wait_graph_process(maker->graph, pid);
    if (child == NO_INDEX || maker->graph->processes[child].state == 'Z') {
        maker->thread->free = true; /* its end is about to be noticed */
        return;
    }
    struct wait_edge edge = {child, REASON_CHILD, own_fd, -1, {0, 0}};
    add_edge(maker, &edge);
}

/* A child by the number that its parent knows it by: in the parent's PID namespace, which is
 * another one when a container is looked at from outside. */
static void add_numbered_child(struct edge_maker *maker, int number)
{
    const struct wait_graph *graph = maker->graph;
    uint32_t same = wait_graph_process(graph, number);
    if (same != NO_INDEX && graph->processes[same].parent == maker->pid) {
        add_child(maker, number, -1);
        return;
    }
    for (uint32_t i = 0; i < graph->process_count; i++) {
        struct status_field inner = {.name = "NSpid", .base = 10};
        if (graph->processes[i].parent == maker->pid &&
            status_read(graph->processes[i].pid, 0, &inner, 1) && inner.value == (uint64_t)number) {
            add_child(maker, graph->processes[i].pid, -1);
            return;
        }
    }
    maker->thread->free = true; /* it has ended, or is no child: wait4 is about to say so */
}

static void add_pidfd(struct edge_maker *maker, int fd)
{
    char path[PROC_PATH_LIMIT];
    struct status_field pid = {.name = "Pid", .base = 10};
    proc_path_number(path, maker->pid, "fdinfo", fd);
    if (fields_read(path, &pid, 1) && pid.value > 0 && pid.value <= INT32_MAX)
        add_child(maker, (int)pid.value, fd);
    else
        maker->thread->free = true;
}

static void add_own_threads(struct edge_maker *maker)
{
    struct wait_edge edge = {maker->thread->process, REASON_FUTEX, -1, -1, {0, 0}};
    add_edge(maker, &edge);
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
        add_pidfd(maker, fd);
    } else if (description.kind == LINK_EPOLL && !maker->nested) {
        maker->nested = true;
        if (!epoll_set_each(maker->pid, fd, add_descriptor, maker))
            maker->thread->free = true;
        maker->nested = false;
    } else if (strcmp(description.link, "anon_inode:[eventfd]") == 0) {
        add_own_threads(maker); /* by which the threads of an event loop wake it */
    } else {
        maker->thread->free = true; /* a terminal, a timer, a signal, a file */
    }
    return !maker->thread->free;
}

static void add_children(struct edge_maker *maker, int group)
{
    const struct wait_graph *graph = maker->graph;
    bool any = false;
    for (uint32_t i = 0; i < graph->process_count && !maker->thread->free; i++) {
        const struct wait_process *process = &graph->processes[i];
        if (process->parent != maker->pid || (group != 0 && process->group != group))
            continue;
        any = true;
        add_child(maker, process->pid, -1);
    }
    if (!any)
        maker->thread->free = true;
}

static void add_waited_child(struct edge_maker *maker)
{
    int pidfd = -1;
    int child = thread_wait_child(&maker->thread->wait, &pidfd);
    if (child == CHILD_UNKNOWN && !maker->thread->wait.call_known)
        add_children(maker, 0); /* from wchan: any of them is the widest that it can be */
    else if (child == CHILD_UNKNOWN)
        maker->thread->free = true;
    else if (child == CHILD_BY_DESCRIPTOR)
        add_pidfd(maker, pidfd);
    else if (child > 0)
        add_numbered_child(maker, child);
    else
        add_children(maker, -child);
}

/* The holder of a file lock, from /proc/locks by device and inode. */
static void add_lock_holder(struct edge_maker *maker)
{
    char path[PROC_PATH_LIMIT];
    struct statx file = {0};
    struct line_reader lines;
    struct lock_line lock;
    bool found = false;
    proc_path_number(path, maker->pid, "fd", maker->thread->wait.fd);
    maker->thread->free = true;
    if (raw_syscall(SYS_statx, AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, &file) < 0 ||
        lines_open(&lines, "/proc/locks") < 0)
        return;
    for (const char *line; !found && (line = lines_next(&lines)) != NULL;)
        found = parse_lock(&line, &lock) && !lock.waits && lock.inode == file.stx_ino &&
                lock.major == file.stx_dev_major && lock.minor == file.stx_dev_minor;
    lines_close(&lines);
    uint32_t holder = found ? wait_graph_process(maker->graph, lock.pid) : NO_INDEX;
    if (found && holder == NO_INDEX && maker->graph->partial)
        leave_open(maker);
    if (holder == NO_INDEX) /* an open-file lock, or its taker has gone and left it to a child */
        return;
    maker->thread->free = false;
    struct wait_edge edge = {holder, REASON_LOCK, maker->thread->wait.fd, -1, {0, 0}};
    add_edge(maker, &edge);
}

/* A futex that is not marked private may still lie in memory that no other process shares:
 * pthread_join(3) waits so. */
static bool is_shared_memory(int pid, uint64_t address)
{
    char path[PROC_PATH_LIMIT];
    struct line_reader lines;
    bool shared = true;
    proc_path(path, pid, 0, "maps");
    if (lines_open(&lines, path) < 0)
        return true;
    for (const char *line; (line = lines_next(&lines)) != NULL;) {
        struct map_line map;
        if (parse_map(line, &map) && address >= map.start && address < map.end) {
            shared = map.shared;
            break;
        }
    }
    lines_close(&lines);
    return shared;
}

static void add_futex(struct edge_maker *maker)
{
    const struct thread_wait *wait = &maker->thread->wait;
    bool is_private = wait->call_known && (wait->arguments[1] & FUTEX_PRIVATE_FLAG);
    if (!wait->call_known || (!is_private && is_shared_memory(maker->pid, wait->arguments[0])))
        maker->thread->free = true;
    else
        add_own_threads(maker);
}

static void add_set(struct edge_maker *maker)
{
    if (!wait_set_each(maker->pid, &maker->thread->wait, memory_allowed(maker->graph),
                       add_descriptor, maker))
        maker->thread->free = true;
}

/* Event loops hear of the end of a child by its signal, through a pipe of their own: libuv watches
 * its children in no other way. */
static void add_child_signals(struct edge_maker *maker)
{
    const struct wait_graph *graph = maker->graph;
    for (uint32_t i = 0; i < graph->process_count && !maker->thread->free; i++) {
        if (graph->processes[i].parent != maker->pid || graph->processes[i].state == 'Z')
            continue;
        struct wait_edge edge = {i, REASON_SIGNAL, -1, -1, {0, 0}};
        add_edge(maker, &edge);
    }
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
        add_child_signals(maker);
        break;
    case WAIT_ACCEPT:
        thread->free = thread->listener = true;
        break;
    case WAIT_CHILD:
        add_waited_child(maker);
        break;
    case WAIT_LOCK:
        add_lock_holder(maker);
        break;
    case WAIT_FUTEX:
        add_futex(maker);
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
