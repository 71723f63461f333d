// SPDX-License-Identifier: MIT
#include "watch/refused_writes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "graph/finding.h"
#include "kernel/rights.h"
#include "process/life.h"
#include "process/own_streams.h"
#include "report/reporter.h"
#include "watch/graph_memory.h"
#include "watch/members.h"

static struct graph_memory memory;  /* child: kept, it is a mapping */
static struct wait_finding finding; /* child: scratch */

/* The flag was set here after all, by way of another descriptor of the same stream. */
static bool set_it_itself(int pid, int fd)
{
    struct fd_description stream, other;
    if (fd_describe(pid, fd, &stream) < 0)
        return true;
    for (int at = 0; at < OWN_STREAMS_LIMIT; at++) {
        if (own_streams_is_own(at) && fd_describe(pid, at, &other) == 0 &&
            object_key_equal(stream.key, other.key))
            return true;
    }
    return false;
}

static bool find(struct wait_graph *graph, int pid, int fd, bool at_exit)
{
    if (wait_graph_scan_relatives(graph, pid) == 0 &&
        finding_nonblocking_shared(graph, pid, fd, &finding) && (finding.count > 1 || at_exit))
        return true;
    return !at_exit && (graph = graph_memory_begin(&memory)) && wait_graph_scan(graph) == 0 &&
           finding_nonblocking_shared(graph, pid, fd, &finding);
}

static void judge(int fd, bool at_exit)
{
    int pid = atomic_load(&life->pid);
    struct wait_graph *graph;
    if (process_runtime(pid) != RUNTIME_NODE && !set_it_itself(pid, fd) &&
        (graph = graph_memory_begin(&memory)) && find(graph, pid, fd, at_exit))
        report_finding(&finding,
                       at_exit ? NULL
                               : members_of_address(&finding, atomic_load(&life->refused_to[fd])),
                       0, 0);
}

static void scan(bool at_exit)
{
    uint32_t fresh = atomic_load(&life->refused) & ~atomic_load(&life->refusals_seen);
    for (int fd = 0; fresh >> fd != 0; fd++) {
        if (!(fresh >> fd & 1) || !rights_hold())
            continue;
        atomic_fetch_or(&life->refusals_seen, 1U << fd);
        judge(fd, at_exit);
    }
}

void refused_writes_scan(void)
{
    scan(false);
}

void refused_writes_finish(void)
{
    if (atomic_load(&life->watchdog_tid) == 0) /* else it may be in the midst of this */
        scan(true);
}
