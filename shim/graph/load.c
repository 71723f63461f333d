// SPDX-License-Identifier: MIT
/* The threads of a process, and of all whom they wait for. */
#include <string.h>

#include "graph/wait_graph_parts.h"
#include "kernel/proc_reader.h"

static void load_thread(struct wait_graph *graph, uint32_t index, int tid)
{
    struct wait_process *process = &graph->processes[index];
    if (graph->thread_count == graph->thread_limit) {
        process->opaque = graph->incomplete = true;
        return;
    }
    struct wait_thread *thread = &graph->threads[graph->thread_count];
    memset(thread, 0, sizeof *thread);
    if (!thread_wait_read(process->pid, tid, &thread->wait))
        return;
    if (strncmp(thread->wait.comm, LIBRARY_THREAD_NAME, strlen(LIBRARY_THREAD_NAME)) == 0 &&
        tid != process->pid) {
        process->library = true;
        return;
    }
    thread->tid = tid;
    thread->process = index;
    thread->first_edge = graph->edge_count;
    process->switches += thread->wait.switches;
    process->thread_count++;
    graph->thread_count++;
    wait_graph_make_edges(graph, thread, process->pid);
}

static void load_process(struct wait_graph *graph, uint32_t index)
{
    struct wait_process *process = &graph->processes[index];
    char path[PROC_PATH_LIMIT];
    struct directory threads;
    int tid;
    process->loaded = true;
    process->first_thread = graph->thread_count;
    if (!process->readable)
        process->opaque = true;
    proc_path(path, process->pid, 0, "task");
    if (directory_open(&threads, path) < 0) {
        process->gone = process->opaque = true;
        return;
    }
    while (directory_next_number(&threads, &tid, NULL))
        load_thread(graph, index, tid);
    if (threads.error != 0)
        process->opaque = true;
    directory_close(&threads);
    if (process->thread_count == 0)
        process->gone = process->opaque = true;
}

/* Everything after the threads from `at` on: the table of threads is the queue. */
static void load_rest(struct wait_graph *graph, uint32_t at)
{
    for (; at < graph->thread_count; at++) {
        const struct wait_thread *thread = &graph->threads[at];
        for (uint32_t e = thread->first_edge; e < thread->first_edge + thread->edge_count; e++) {
            uint32_t next = graph->edges[e].process;
            if (!graph->processes[next].loaded)
                load_process(graph, next);
        }
    }
}

uint32_t wait_graph_load(struct wait_graph *graph, int pid)
{
    uint32_t index = wait_graph_process(graph, pid);
    if (index == NO_INDEX || graph->processes[index].loaded)
        return index;
    uint32_t at = graph->thread_count;
    load_process(graph, index);
    load_rest(graph, at);
    return index;
}

void wait_graph_load_all(struct wait_graph *graph)
{
    for (uint32_t i = 0; i < graph->process_count; i++) {
        if (!graph->processes[i].loaded)
            load_process(graph, i);
    }
}

static void load_other_end(struct wait_graph *graph, const struct wait_holder *own)
{
    struct fd_description description;
    struct wait_holder end;
    int64_t unread;
    int pid = graph->processes[own->process].pid;
    if (fd_describe(pid, own->fd, &description) < 0 ||
        !wait_graph_other_end(graph, pid, &description, 0, &end, &unread))
        return;
    uint32_t count, first = wait_graph_holders(graph, end.key, &count);
    for (uint32_t i = first; i < first + count; i++)
        wait_graph_load(graph, graph->processes[graph->holders[i].process].pid);
}

void wait_graph_load_neighbours(struct wait_graph *graph, int pid)
{
    uint32_t process = wait_graph_process(graph, pid);
    if (graph->process_count == 1) /* who else could be loaded? */
        return;
    for (uint32_t i = 0; i < graph->holder_count; i++) {
        if (graph->holders[i].process == process)
            load_other_end(graph, &graph->holders[i]);
    }
}
