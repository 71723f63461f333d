// SPDX-License-Identifier: MIT
/* The one wait-for graph of this process, and its memory. */
#ifndef PIPESHIM_WATCH_GRAPH_MEMORY_H
#define PIPESHIM_WATCH_GRAPH_MEMORY_H

#include "graph/wait_graph.h"

/* The graph, empty, with what the kernel permits to look at; NULL without memory for it. Mapped at
 * the first use (WAIT_GRAPH_MEMORY, of which the kernel gives what is touched). */
struct wait_graph *graph_memory_begin(void);

/* Runs on: watchdog; at exit the one thread that speaks. AS-safe: yes. Blocks: no. */
#endif
