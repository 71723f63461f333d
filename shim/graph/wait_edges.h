// SPDX-License-Identifier: MIT
/*
 * From what a thread waits in to the processes that could let it go on. What the files that find
 * them share; for nobody else (graph/wait_graph.h).
 *
 * Each adds an edge to everybody whom it finds, and makes the thread free where somebody cannot be
 * named or the wait ends by itself: doubt always counts as "can act".
 */
#ifndef PIPESHIM_GRAPH_WAIT_EDGES_H
#define PIPESHIM_GRAPH_WAIT_EDGES_H

#include "graph/wait_graph.h"

/* The thread whose edges are being made. */
struct edge_maker {
    struct wait_graph *graph;
    struct wait_thread *thread;
    int pid;
    bool nested;        /* inside an epoll set that is a member of another */
    unsigned listeners; /* listening sockets among what it waits for */
};

void edges_add(struct edge_maker *maker, const struct wait_edge *edge);

/* Who could let it go on is not among the processes that were scanned. */
void edges_leave_open(struct edge_maker *maker);

/* The thread waits for the end of a child: in wait4() and its kin, by a pidfd, or for SIGCHLD. */
void edges_to_waited_child(struct edge_maker *maker);
void edges_to_pidfd(struct edge_maker *maker, int fd);
void edges_to_child_signals(struct edge_maker *maker);

/* The thread waits for a lock: on a file, or a futex, which the other threads of its process have.
 */
void edges_to_lock_holder(struct edge_maker *maker);
void edges_to_futex(struct edge_maker *maker);
void edges_to_own_threads(struct edge_maker *maker);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
