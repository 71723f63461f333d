// SPDX-License-Identifier: MIT
/* The searches over a wait-for graph; they touch nothing but its tables. */
#include "graph/wait_graph.h"

static bool thread_can_act(const struct wait_graph *graph, const struct wait_thread *thread,
                           unsigned acting)
{
    if (thread->free || (thread->timed && (acting & ACT_TIMED)) ||
        (thread->recurs && (acting & ACT_RECURRING)))
        return true;
    for (uint32_t i = 0; i < thread->edge_count; i++) {
        if (graph->processes[graph->edges[thread->first_edge + i].process].can_act)
            return true;
    }
    return false;
}

static bool waits_for_space(const struct wait_graph *graph, const struct wait_process *process)
{
    for (uint32_t i = 0; i < process->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[process->first_thread + i];
        for (uint32_t e = 0; !thread->free && e < thread->edge_count; e++) {
            if (graph->edges[thread->first_edge + e].reason == REASON_SPACE)
                return true;
        }
    }
    return false;
}

/* An engine whose accept thread is idle while the thread that has the request is stuck in its log
 * (whisper-server, llama-server): the one that accepts answers nobody who is connected already. */
static bool process_can_act(const struct wait_graph *graph, const struct wait_process *process,
                            unsigned acting)
{
    if (!process->loaded || process->opaque)
        return true;
    bool skip = !(acting & ACT_LISTENERS) && waits_for_space(graph, process);
    for (uint32_t i = 0; i < process->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[process->first_thread + i];
        bool waits_outside =
            (skip && thread->listener) || (thread->unopened && !(acting & ACT_LISTENERS));
        if (!waits_outside && thread_can_act(graph, thread, acting))
            return true;
    }
    return false;
}

void wait_graph_reduce(struct wait_graph *graph, unsigned acting)
{
    for (uint32_t i = 0; i < graph->process_count; i++)
        graph->processes[i].can_act = false;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < graph->process_count; i++) {
            struct wait_process *process = &graph->processes[i];
            if (!process->can_act && process_can_act(graph, process, acting)) {
                process->can_act = true;
                changed = true;
            }
        }
    }
}

/* The chain of steps that reached `last`, turned round so that it starts at the first process. */
static unsigned collect(const struct wait_graph *graph, uint32_t first, struct wait_step last,
                        struct wait_step *steps, unsigned limit)
{
    unsigned count = 1;
    for (uint32_t at = last.process; at != first; count++)
        at = graph->threads[graph->processes[at].came_from_thread].process;
    if (count > limit)
        return 0;
    steps[count - 1] = last;
    for (unsigned i = count - 1; i > 0; i--) {
        const struct wait_process *process = &graph->processes[steps[i].process];
        steps[i - 1] = (struct wait_step){
            .process = graph->threads[process->came_from_thread].process,
            .thread = process->came_from_thread,
            .edge = process->came_from_edge,
        };
    }
    return count;
}

/* A lock inside one process closes no cycle over processes; nor does a read of one's own pipe, by
 * which signal handlers wake their program. */
static bool leads_on(const struct wait_graph *graph, const struct wait_edge *edge, uint32_t from)
{
    if (edge->reason == REASON_FUTEX || graph->processes[edge->process].can_act)
        return false;
    return edge->process != from || edge->reason == REASON_SPACE;
}

/* What somebody waits for, in words, is the most definite of all that he waits for: its input or
 * its end, else the signal of its end, else that it closes what it reads, which is no more than a
 * loop's care for an end that it writes to. */
enum rank { RANK_DEFINITE, RANK_SIGNAL, RANK_CLOSE, RANKS };

static enum rank edge_rank(const struct wait_edge *edge)
{
    return edge->reason == REASON_SIGNAL ? RANK_SIGNAL
           : edge->for_close             ? RANK_CLOSE
                                         : RANK_DEFINITE;
}

/* All edges of one rank out of one thread. True when one leads back to `first`, which is then the
 * step that closes the cycle. */
static bool visit_thread(struct wait_graph *graph, uint32_t index, enum rank rank, uint32_t first,
                         bool *grown, struct wait_step *closing)
{
    const struct wait_thread *thread = &graph->threads[index];
    for (uint32_t e = thread->first_edge; e < thread->first_edge + thread->edge_count; e++) {
        const struct wait_edge *edge = &graph->edges[e];
        struct wait_process *next = &graph->processes[edge->process];
        if (rank != edge_rank(edge) || !leads_on(graph, edge, thread->process))
            continue;
        if (edge->process == first) {
            *closing = (struct wait_step){thread->process, index, e};
            return true;
        }
        if (!next->seen) {
            next->seen = true;
            next->came_from_thread = index;
            next->came_from_edge = e;
            *grown = true;
        }
    }
    return false;
}

/* One step of the breadth-first search: all edges out of a process. */
static bool visit_process(struct wait_graph *graph, uint32_t from, uint32_t first, bool *grown,
                          struct wait_step *closing)
{
    const struct wait_process *process = &graph->processes[from];
    for (enum rank rank = RANK_DEFINITE; rank < RANKS; rank++) {
        for (uint32_t i = 0; i < process->thread_count; i++) {
            if (visit_thread(graph, process->first_thread + i, rank, first, grown, closing))
                return true;
        }
    }
    return false;
}

unsigned wait_graph_cycle(struct wait_graph *graph, uint32_t process, struct wait_step *steps,
                          unsigned limit)
{
    struct wait_step closing;
    if (graph->processes[process].can_act)
        return 0;
    for (uint32_t i = 0; i < graph->process_count; i++)
        graph->processes[i].seen = graph->processes[i].expanded = false;
    graph->processes[process].seen = true;
    for (bool grown = true; grown;) {
        grown = false;
        /* One round of the search widens the cycle by one process at most per path. */
        for (uint32_t i = 0; i < graph->process_count; i++)
            graph->processes[i].frontier =
                graph->processes[i].seen && !graph->processes[i].expanded;
        for (uint32_t i = 0; i < graph->process_count; i++) {
            if (!graph->processes[i].frontier)
                continue;
            graph->processes[i].expanded = true;
            if (visit_process(graph, i, process, &grown, &closing))
                return collect(graph, process, closing, steps, limit);
        }
    }
    return 0;
}

static void mark_awaited(struct wait_graph *graph, const struct wait_process *process)
{
    for (uint32_t i = 0; i < process->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[process->first_thread + i];
        for (uint32_t e = 0; e < thread->edge_count; e++)
            graph->processes[graph->edges[thread->first_edge + e].process].seen = true;
    }
}

bool wait_graph_waits_for(struct wait_graph *graph, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < graph->process_count; i++)
        graph->processes[i].seen = graph->processes[i].expanded = false;
    mark_awaited(graph, &graph->processes[from]);
    for (bool grown = true; grown && !graph->processes[to].seen;) {
        grown = false;
        for (uint32_t i = 0; i < graph->process_count; i++) {
            struct wait_process *process = &graph->processes[i];
            if (!process->seen || process->expanded)
                continue;
            process->expanded = grown = true;
            mark_awaited(graph, process);
        }
    }
    return graph->processes[to].seen;
}
