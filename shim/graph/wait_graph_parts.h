// SPDX-License-Identifier: MIT
/* What the files that fill a wait-for graph share; for nobody else. */
#ifndef PIPESHIM_GRAPH_WAIT_GRAPH_PARTS_H
#define PIPESHIM_GRAPH_WAIT_GRAPH_PARTS_H

#include "graph/wait_graph.h"

/* No processes, and so nothing else. */
void wait_graph_empty(struct wait_graph *graph);

/* Adds a process and its pipes and sockets; to be called in the order of the pids. False: there is
 * no space for it. One that has ended is left out. */
bool wait_graph_scan_process(struct wait_graph *graph, int pid);

/* After the last process: makes the holders searchable. */
void wait_graph_sort_holders(struct wait_graph *graph);

/* From what a thread waits in to the processes that could let it go on (graph/wait_edges.c). */
void wait_graph_make_edges(struct wait_graph *graph, struct wait_thread *thread, int pid);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
