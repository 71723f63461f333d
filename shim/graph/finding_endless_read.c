// SPDX-License-Identifier: MIT
/* Reads for an end of file that does not come. */
#include <string.h>

#include "graph/finding_links.h"
#include "kernel/proc_text.h"

/* Started by a process that is gone: the kernel has given it another parent. A parent in another
 * session did not fork it, unless the child itself began that session. */
static bool is_orphan(const struct wait_graph *graph, const struct wait_process *process)
{
    uint32_t parent = wait_graph_process(graph, process->parent);
    if (process->parent <= 1 || parent == NO_INDEX)
        return true;
    return process->session != process->pid && process->group != process->pid &&
           graph->processes[parent].session != process->session;
}

bool process_has_zombie_child(const struct wait_graph *graph, int pid)
{
    for (uint32_t i = 0; i < graph->process_count; i++) {
        if (graph->processes[i].parent == pid && graph->processes[i].state == 'Z')
            return true;
    }
    return false;
}

static bool is_ancestor(const struct wait_graph *graph, int ancestor,
                        const struct wait_process *process)
{
    for (int steps = 0; steps < 64 && process->parent > 0; steps++) {
        if (process->parent == ancestor)
            return true;
        uint32_t parent = wait_graph_process(graph, process->parent);
        if (parent == NO_INDEX)
            return false;
        process = &graph->processes[parent];
    }
    return false;
}

/* A holder of the writing end that the reader does not know of. Not its parents, who feed it. Two
 * ends of one pipeline whose shell has gone are orphans of the same parent: they belong together.
 */
static bool is_leftover(const struct wait_graph *graph, const struct wait_process *reader,
                        const struct wait_process *holder)
{
    if (holder->parent == reader->pid || holder->parent == reader->parent ||
        is_ancestor(graph, holder->pid, reader))
        return false;
    if (process_has_zombie_child(graph, reader->pid))
        return true;
    return is_orphan(graph, holder) && !is_orphan(graph, reader);
}

/* A socketpair that Node has made for a child's stdio is open for both ways, and used for one. */
static bool is_output(int fd)
{
    return fd == 1 || fd == 2;
}

static bool reads(const struct wait_graph *graph, uint32_t process, struct object_key key,
                  bool is_socket)
{
    uint32_t count, first = wait_graph_holders(graph, key, &count);
    for (uint32_t i = first; i < first + count; i++) {
        const struct wait_holder *holder = &graph->holders[i];
        if (holder->process == process && (holder->access & FD_READS) &&
            !(is_socket && is_output(holder->fd)))
            return true;
    }
    return false;
}

/* The holder also reads what the reader writes, on something else than what is read: a partner
 * whose starter has ended, not something left over. */
static bool converses(const struct wait_graph *graph, uint32_t reader, const struct wait_edge *edge)
{
    for (uint32_t i = 0; i < graph->holder_count; i++) {
        const struct wait_holder *own = &graph->holders[i];
        struct fd_description description;
        struct wait_holder end;
        int64_t unread;
        int pid = graph->processes[reader].pid;
        if (own->process == reader && own->fd != edge->own_fd && (own->access & FD_WRITES) &&
            fd_describe(pid, own->fd, &description) == 0 &&
            wait_graph_other_end(graph, pid, &description, WAIT_FOR_SPACE, &end, &unread) &&
            !object_key_equal(end.key, edge->key) &&
            reads(graph, edge->process, end.key, description.kind == LINK_SOCKET))
            return true;
    }
    return false;
}

static bool is_set(const struct wait_thread *thread)
{
    return thread->wait.kind == WAIT_POLL || thread->wait.kind == WAIT_SELECT ||
           thread->wait.kind == WAIT_EPOLL;
}

/* By this edge the thread waits for its own process: for itself, or to be woken by a thread of it.
 */
static bool is_own(const struct wait_thread *thread, const struct wait_edge *edge)
{
    return edge->process == thread->process &&
           (edge->reason == REASON_INPUT || edge->reason == REASON_FUTEX);
}

/* Nothing comes from the process's other threads: each waits in turn to be woken by one of it, as
 * the pools of Node and Java do. */
static bool others_are_idle(const struct wait_graph *graph, const struct wait_thread *thread)
{
    const struct wait_process *process = &graph->processes[thread->process];
    for (uint32_t i = 0; i < process->thread_count; i++) {
        const struct wait_thread *other = &graph->threads[process->first_thread + i];
        if (other == thread)
            continue;
        if (other->free || other->timed || other->edge_count == 0)
            return false;
        for (uint32_t e = 0; e < other->edge_count; e++) {
            if (!is_own(other, &graph->edges[other->first_edge + e]))
                return false;
        }
    }
    return true;
}

/* A socketpair is one if the holder has it as its output; any other is a conversation. Of several
 * descriptors an edge has the lowest. */
static bool is_stream(const struct wait_graph *graph, const struct wait_thread *thread,
                      const struct wait_edge *edge)
{
    struct fd_description description;
    int pid = graph->processes[thread->process].pid;
    return edge->own_fd >= 0 && fd_describe(pid, edge->own_fd, &description) == 0 &&
           (description.kind != LINK_SOCKET || is_output(edge->peer_fd));
}

/* The edge to whoever keeps the end from coming; NULL when anything else may come as well. Of a
 * read of the process's own pipe it is that process. */
static const struct wait_edge *endless_edge(const struct wait_graph *graph,
                                            const struct wait_thread *thread)
{
    const struct wait_process *reader = &graph->processes[thread->process];
    const struct wait_edge *found = NULL, *own = NULL;
    bool idle = others_are_idle(graph, thread);
    for (uint32_t i = 0; i < thread->edge_count; i++) {
        const struct wait_edge *edge = &graph->edges[thread->first_edge + i];
        if (idle && is_own(thread, edge))
            own = edge;
        else if (edge->reason != REASON_INPUT || edge->process == thread->process ||
                 !is_leftover(graph, reader, &graph->processes[edge->process]) ||
                 converses(graph, thread->process, edge) || !is_stream(graph, thread, edge))
            return NULL;
        else if (!found)
            found = edge;
    }
    if (found || is_set(thread) || !own)
        return found;
    return is_stream(graph, thread, own) ? own : NULL;
}

/* A read, or a wait without a limit for several (communicate(), an event loop that has nothing
 * else), for which the direct child is gone while somebody it left behind holds the writing end. */
bool finding_endless_read(const struct wait_graph *graph, const struct wait_thread *thread,
                          struct wait_finding *finding)
{
    bool waits_for_ever =
        thread->wait.kind == WAIT_READ || (is_set(thread) && !thread->free && !thread->timed);
    if (!waits_for_ever || graph->processes[thread->process].opaque)
        return false;
    const struct wait_edge *edge = endless_edge(graph, thread);
    if (!edge)
        return false;
    memset(finding, 0, sizeof *finding);
    finding->kind = FINDING_EOF_NEVER;
    /* Whether an event loop waits for the end, or for what a daemon may write, cannot be seen. */
    finding->likely = thread->wait.kind == WAIT_EPOLL;
    finding->away_epoll = -1;
    finding->count = 1;
    link_make(graph, thread, edge, &finding->chain[0]);
    finding->holder_pid = finding->chain[0].for_pid;
    finding->fingerprint = link_mix_thread(0, thread);
    const struct wait_thread *holder = link_holder_thread(graph, edge->process);
    if (holder && edge->process != thread->process) {
        link_start(graph, holder, &finding->chain[1]);
        link_name_object(graph, holder->wait.fd, &finding->chain[1]);
        finding->count = 2;
    }
    finding_describe(graph, finding);
    return true;
}
