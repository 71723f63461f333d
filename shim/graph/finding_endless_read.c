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

/* A read for which the direct child is gone while somebody it left behind holds the writing end. */
bool finding_endless_read(const struct wait_graph *graph, const struct wait_thread *thread,
                          struct wait_finding *finding)
{
    const struct wait_process *reader = &graph->processes[thread->process];
    if (thread->wait.kind != WAIT_READ || thread->edge_count == 0 || reader->opaque)
        return false;
    for (uint32_t i = 0; i < thread->edge_count; i++) {
        const struct wait_edge *edge = &graph->edges[thread->first_edge + i];
        const struct wait_process *holder = &graph->processes[edge->process];
        bool own = edge->process == thread->process && reader->thread_count == 1;
        if (edge->reason != REASON_INPUT || (!own && !is_leftover(graph, reader, holder)))
            return false;
    }
    memset(finding, 0, sizeof *finding);
    const struct wait_edge *edge = &graph->edges[thread->first_edge];
    if (edge->process == thread->process && thread->edge_count > 1)
        edge++;
    finding->kind = FINDING_EOF_NEVER;
    finding->away_epoll = -1;
    finding->count = 1;
    link_make(graph, thread, edge, &finding->chain[0]);
    if (parse_link(finding->chain[0].object, &(uint64_t){0}) == LINK_SOCKET)
        return false; /* a conversation, not a stream that ends */
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
