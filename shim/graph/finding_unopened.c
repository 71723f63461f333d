// SPDX-License-Identifier: MIT
/* A FIFO that is opened for writing, and that nobody opens for reading. */
#include <string.h>

#include "graph/finding_links.h"
#include "kernel/object_reader.h"
#include "kernel/open_wait.h"

bool finding_unopened(const struct wait_graph *graph, const struct wait_thread *thread,
                      struct wait_finding *finding)
{
    struct fd_description fifo;
    const struct wait_process *process = &graph->processes[thread->process];
    if (!thread->unopened || process->opaque ||
        !open_wait_for_reader(&thread->wait, process->pid, &fifo))
        return false;
    memset(finding, 0, sizeof *finding);
    finding->kind = FINDING_NO_READER;
    /* Whoever is to read it may be on its way: a worker that comes back for the next job. */
    finding->likely = true;
    finding->away_epoll = -1;
    finding->count = 1;
    struct chain_link *link = &finding->chain[0];
    link_start(graph, thread, link);
    memcpy(link->object, fifo.link, sizeof link->object);
    link->key = fifo.key;
    finding->fingerprint = link_mix(link_mix_thread(0, thread), fifo.key.inode);
    finding_describe(graph, finding);
    return true;
}
