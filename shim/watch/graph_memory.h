// SPDX-License-Identifier: MIT
/* A wait-for graph of this process and its memory: one for each who scans, as two may at once. */
#ifndef PIPESHIM_WATCH_GRAPH_MEMORY_H
#define PIPESHIM_WATCH_GRAPH_MEMORY_H

#include "graph/wait_graph.h"

/* Zero at first. */
struct graph_memory {
    void *tables; /* mapped when first needed */
    size_t size;
    struct wait_graph graph;
};

/* The graph, empty, with what the kernel permits to look at; NULL without memory for it:
 * WAIT_GRAPH_MEMORY, of which the kernel gives what is touched, or what it has grown to. */
struct wait_graph *graph_memory_begin(struct graph_memory *memory);

/* The graph, empty again, if it was incomplete: with four times the memory, for all looks from now
 * on. NULL: it was complete, or there is no more to be had (64 MB; a limit of the program's); then
 * it is as it was. */
struct wait_graph *graph_memory_grow(struct graph_memory *memory);

/* Runs on: watchdog; at exit the one thread that speaks. AS-safe: yes. Blocks: no. */
#endif
