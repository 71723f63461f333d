// SPDX-License-Identifier: MIT
/* Who waits for a child: which process that is. */
#include <sys/syscall.h>
#include <sys/wait.h>

#include "graph/wait_edges.h"
#include "kernel/proc_reader.h"
#include "kernel/status.h"

/* What it waits for is not among the children that are known. */
static void add_no_child(struct edge_maker *maker)
{
    if (maker->graph->processes[maker->thread->process].children_left_out)
        edges_leave_open(maker);
    else
        maker->thread->free = true; /* it has ended, or is no child: that is about to be noticed */
}

static void add_child(struct edge_maker *maker, int pid, int own_fd)
{
    uint32_t child = wait_graph_process(maker->graph, pid);
    if (child == NO_INDEX) {
        add_no_child(maker);
        return;
    }
    if (maker->graph->processes[child].state == 'Z') {
        maker->thread->free = true; /* its end is about to be noticed */
        return;
    }
    struct wait_edge edge = {child, REASON_CHILD, own_fd, -1, {0, 0}, false};
    edges_add(maker, &edge);
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
    add_no_child(maker);
}

void edges_to_pidfd(struct edge_maker *maker, int fd)
{
    char path[PROC_PATH_LIMIT];
    struct status_field pid = {.name = "Pid", .base = 10};
    proc_path_number(path, maker->pid, "fdinfo", fd);
    if (fields_read(path, &pid, 1) && pid.value > 0 && pid.value <= INT32_MAX)
        add_child(maker, (int)pid.value, fd);
    else
        maker->thread->free = true;
}

/* Children of clone() without SIGCHLD, this library's log writer and helper among them, are seen by
 * wait4(__WALL) alone. */
static bool waits_for_all(const struct thread_wait *wait)
{
    uint64_t options = wait->number == SYS_wait4 ? wait->arguments[2] : wait->arguments[3];
    return !wait->call_known || (options & (__WALL | __WCLONE)) != 0;
}

static void add_children(struct edge_maker *maker, int group)
{
    const struct wait_graph *graph = maker->graph;
    bool any = false;
    for (uint32_t i = 0; i < graph->process_count && !maker->thread->free; i++) {
        const struct wait_process *process = &graph->processes[i];
        if (process->parent != maker->pid || (group != 0 && process->group != group) ||
            (process->unawaited && !waits_for_all(&maker->thread->wait)))
            continue;
        any = true;
        add_child(maker, process->pid, -1);
    }
    if (!any)
        add_no_child(maker);
}

void edges_to_waited_child(struct edge_maker *maker)
{
    int pidfd = -1;
    int child = thread_wait_child(&maker->thread->wait, &pidfd);
    if (child == CHILD_UNKNOWN && !maker->thread->wait.call_known)
        add_children(maker, 0); /* from wchan: any of them is the widest that it can be */
    else if (child == CHILD_UNKNOWN)
        maker->thread->free = true;
    else if (child == CHILD_BY_DESCRIPTOR)
        edges_to_pidfd(maker, pidfd);
    else if (child > 0)
        add_numbered_child(maker, child);
    else
        add_children(maker, -child);
}

/* Event loops hear of the end of a child by its signal, through a pipe of their own: libuv watches
 * its children in no other way. */
void edges_to_child_signals(struct edge_maker *maker)
{
    const struct wait_graph *graph = maker->graph;
    for (uint32_t i = 0; i < graph->process_count && !maker->thread->free; i++) {
        if (graph->processes[i].parent != maker->pid || graph->processes[i].state == 'Z' ||
            graph->processes[i].unawaited)
            continue;
        struct wait_edge edge = {i, REASON_SIGNAL, -1, -1, {0, 0}, false};
        edges_add(maker, &edge);
    }
}
