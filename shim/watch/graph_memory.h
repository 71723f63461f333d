// SPDX-License-Identifier: MIT
/* A wait-for graph of this process and its memory: one for each who scans, as two may at once. */
#ifndef PIPESHIM_WATCH_GRAPH_MEMORY_H
#define PIPESHIM_WATCH_GRAPH_MEMORY_H

#include "graph/wait_graph.h"

/* Zero at first. */
struct graph_memory {
    void *tables; /* mapped when first needed */
    struct wait_graph graph;
};

/* The graph, empty, with what the kernel permits to look at; NULL without memory for it:
 * WAIT_GRAPH_MEMORY, of which the kernel gives what is touched. */
struct wait_graph *graph_memory_begin(struct graph_memory *memory);

/* Runs on: watchdog; at exit the one thread that speaks. AS-safe: yes. Blocks: no. */
#endif
