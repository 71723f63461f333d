// SPDX-License-Identifier: MIT
/* Whether a process listens to a pipe: reads it, or waits in a set that holds it. */
#include "graph/wait_graph.h"
#include "kernel/object_reader.h"

struct listener {
    const struct wait_graph *graph;
    int pid;
    struct object_key key;
    bool found, nested;
};

static bool listens_to(void *context, int fd, unsigned waits_for)
{
    struct listener *listener = context;
    struct fd_description description;
    if (!(waits_for & WAIT_FOR_INPUT) || fd_describe(listener->pid, fd, &description) < 0)
        return true;
    if (description.kind == LINK_EPOLL && !listener->nested) {
        listener->nested = true;
        epoll_set_each(listener->pid, fd, listens_to, listener);
        listener->nested = false;
    }
    listener->found |= object_key_equal(description.key, listener->key);
    return !listener->found;
}

static bool away_set(struct listener *listener, int *epoll_fd)
{
    struct fd_iterator fds;
    bool found = false;
    if (fd_iterate(&fds, listener->pid) < 0)
        return false;
    while (!found && fd_next(&fds)) {
        if (fds.description.kind != LINK_EPOLL)
            continue;
        epoll_set_each(listener->pid, fds.description.fd, listens_to, listener);
        found = listener->found;
        *epoll_fd = found ? fds.description.fd : -1;
    }
    fd_iterate_end(&fds);
    return found;
}

bool wait_graph_listens(const struct wait_graph *graph, uint32_t process, struct object_key key,
                        int *away_epoll)
{
    const struct wait_process *reader = &graph->processes[process];
    struct listener listener = {.graph = graph, .pid = reader->pid, .key = key};
    *away_epoll = -1;
    for (uint32_t i = 0; i < reader->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[reader->first_thread + i];
        if (thread->wait.kind == WAIT_STOPPED)
            continue;
        wait_set_each(reader->pid, &thread->wait, (graph->access & ACCESS_MEMORY) != 0, listens_to,
                      &listener);
        if (listener.found)
            return true;
    }
    away_set(&listener, away_epoll);
    return false;
}
