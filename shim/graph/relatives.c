// SPDX-License-Identifier: MIT
/* The quick scans: a process, its descendants and its parent; and what that started. */
#include <errno.h>
#include <string.h>

#include "graph/wait_graph_parts.h"
#include "kernel/child_wait.h"
#include "kernel/own_threads.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

enum { RELATIVES_LIMIT = 128 };

/* Pids, ascending and each once: processes are found by a binary search. */
struct relatives {
    int pids[RELATIVES_LIMIT];
    unsigned count;
    bool full;
};

static void add_relative(struct relatives *relatives, int pid)
{
    unsigned at = relatives->count;
    while (at > 0 && relatives->pids[at - 1] > pid)
        at--;
    if (pid <= 0 || (at > 0 && relatives->pids[at - 1] == pid))
        return;
    if (relatives->count == RELATIVES_LIMIT) {
        relatives->full = true;
        return;
    }
    memmove(&relatives->pids[at + 1], &relatives->pids[at],
            (relatives->count - at) * sizeof relatives->pids[0]);
    relatives->pids[at] = pid;
    relatives->count++;
}

struct children {
    struct relatives *relatives;
    bool any;
};

static bool add_child(void *context, int child)
{
    struct children *children = context;
    children->any = true;
    add_relative(children->relatives, child);
    return true;
}

static long add_children_of(struct relatives *relatives, int pid, int tid)
{
    struct children children = {relatives, false};
    uint64_t clock = own_thread_clock(pid, tid);
    long read = children_of_thread(pid, tid, add_child, &children);
    if (read == 0 && !children.any)
        own_thread_note_childless(tid, clock);
    return read;
}

static long add_children_of_process(struct relatives *relatives, int pid)
{
    char path[PROC_PATH_LIMIT];
    /* The first one and, if that has ended, the oldest: they inherit the children of others. */
    enum { HEIRS = 2 };
    struct directory threads;
    int tid;
    unsigned count = 0;
    long answered = -ENOENT;
    proc_path(path, pid, 0, "task");
    if (directory_open(&threads, path) < 0)
        return 0; /* it has ended */
    while (directory_next_number(&threads, &tid, NULL)) {
        if (++count > HEIRS && own_thread_is_childless(pid, tid))
            continue;
        long read = add_children_of(relatives, pid, tid);
        if (read >= 0)
            answered = 0;
        relatives->full |= read > 0;
    }
    directory_close(&threads);
    return answered;
}

static int parent_of(int pid)
{
    char text[512];
    struct stat_line stat;
    return proc_read_of(pid, 0, "stat", text, sizeof text) > 0 && parse_stat(text, &stat)
               ? stat.parent
               : 0;
}

/* Descendants to any depth: each pid that is not yet asked, until none is left. */
static void add_descendants(struct relatives *relatives, int seen[RELATIVES_LIMIT], unsigned count)
{
    for (unsigned i = 0; i < relatives->count && !relatives->full;) {
        bool known = false;
        for (unsigned s = 0; s < count && !known; s++)
            known = seen[s] == relatives->pids[i];
        if (known) {
            i++;
            continue;
        }
        seen[count++] = relatives->pids[i];
        add_children_of_process(relatives, relatives->pids[i]);
        i = 0;
    }
}

enum reach { REACH_DESCENDANTS, REACH_PARENT, REACH_SIBLINGS };

static long scan(struct wait_graph *graph, int pid, enum reach reach)
{
    struct relatives relatives = {.count = 0};
    int seen[RELATIVES_LIMIT];
    unsigned seen_count = 0;
    wait_graph_empty(graph);
    graph->partial = true;
    add_relative(&relatives, pid);
    long error = add_children_of_process(&relatives, pid);
    if (error < 0)
        return error;
    int parent = reach >= REACH_PARENT ? parent_of(pid) : 0;
    if (parent > 1) { /* what pid 1 has started, or taken over, is no family */
        add_relative(&relatives, parent);
        seen[seen_count++] = parent;
        if (reach == REACH_SIBLINGS)
            add_children_of_process(&relatives, parent);
    }
    seen[seen_count++] = pid;
    add_descendants(&relatives, seen, seen_count);
    graph->open = relatives.full;
    for (unsigned i = 0; i < relatives.count; i++) {
        if (!wait_graph_scan_process(graph, relatives.pids[i]))
            graph->open = true;
    }
    wait_graph_sort_holders(graph);
    uint32_t left_out = wait_graph_process(graph, parent);
    if (reach == REACH_PARENT && left_out != NO_INDEX)
        graph->processes[left_out].children_left_out = true;
    return 0;
}

long wait_graph_scan_relatives(struct wait_graph *graph, int pid)
{
    return scan(graph, pid, REACH_SIBLINGS);
}

long wait_graph_scan_closest(struct wait_graph *graph, int pid)
{
    return scan(graph, pid, REACH_PARENT);
}

long wait_graph_scan_descendants(struct wait_graph *graph, int pid)
{
    return scan(graph, pid, REACH_DESCENDANTS);
}
