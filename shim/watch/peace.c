// SPDX-License-Identifier: MIT
#include "watch/peace.h"

#include "graph/finding.h"
#include "kernel/fd_scan.h"
#include "kernel/own_threads.h"
#include "kernel/task.h"
#include "process/life.h"

enum { READ_LIMIT = 16 }; /* who may read more is looked at each time */

static bool known;
static uint64_t expected_ns, others_ns; /* CPU time of the program's threads; child: scratch */
static int reads[READ_LIMIT];           /* child: scratch, `known` says */
static unsigned read_count;             /* child: scratch, likewise */

void peace_begin(void)
{
    known = false;
}

void peace_expect(void)
{
    uint64_t error;
    known = false;
    expected_ns = own_threads_time_ns(0, &error) - error; /* at least: it hides no run */
}

/* Children, and whoever else was looked at, may do something while this process sleeps. */
void peace_note(const struct wait_graph *graph)
{
    if (graph->process_count != 1)
        return;
    read_count = 0;
    for (uint32_t i = 0; i < graph->holder_count; i++) {
        if (!(graph->holders[i].access & FD_READS))
            continue;
        if (read_count == READ_LIMIT)
            return;
        reads[read_count++] = graph->holders[i].fd;
    }
    others_ns = expected_ns;
    known = true;
}

bool peace_lasts(const struct wait_graph *graph)
{
    uint64_t error;
    if (!known)
        return false;
    uint64_t time = own_threads_time_ns(others_ns, &error);
    known = time - others_ns < TASK_NOTHING_RAN_NS;
    for (unsigned i = 0; known && i < read_count; i++)
        known = wait_graph_has_read(graph, atomic_load(&life->pid), reads[i]);
    return known;
}
