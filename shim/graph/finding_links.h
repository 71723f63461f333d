// SPDX-License-Identifier: MIT
/* One process of a finding's chain, made from the graph; what the kinds of findings share. */
#ifndef PIPESHIM_GRAPH_FINDING_LINKS_H
#define PIPESHIM_GRAPH_FINDING_LINKS_H

#include "graph/finding.h"

/* FNV-1a over 64-bit words: equal fingerprints need not resist an enemy. */
uint64_t link_mix(uint64_t hash, uint64_t value);
/* What must not change between two looks for this thread to have stood still. */
uint64_t link_mix_thread(uint64_t hash, const struct wait_thread *thread);

/* A link with who waits and in what call, and nothing yet of what for. */
void link_start(const struct wait_graph *graph, const struct wait_thread *thread,
                struct chain_link *link);
/* What its descriptor `fd` is, and how full if it waits for space there. */
void link_name_object(const struct wait_graph *graph, int fd, struct chain_link *link);
/* For whom it waits. */
void link_set_for(const struct wait_graph *graph, const struct wait_edge *edge,
                  struct chain_link *link);
/* All of these: the wait of a thread by one of its edges. */
void link_make(const struct wait_graph *graph, const struct wait_thread *thread,
               const struct wait_edge *edge, struct chain_link *link);

/* The thread of a process that tells best why it does not read; NULL: it has none. */
const struct wait_thread *link_holder_thread(const struct wait_graph *graph, uint32_t process);

/* A child of `pid` has ended and was not waited for. */
bool process_has_zombie_child(const struct wait_graph *graph, int pid);

/* The kinds of findings. The first adds to `findings` from `count` on and returns the new
 * count; `acting`: ACT_ flags. The others fill one from a thread, or return false. */
unsigned finding_deadlocks(struct wait_graph *graph, unsigned acting, struct wait_finding *findings,
                           unsigned count, unsigned limit);
bool finding_stuck_write(const struct wait_graph *graph, const struct wait_thread *thread,
                         struct wait_finding *finding);
bool finding_endless_read(const struct wait_graph *graph, const struct wait_thread *thread,
                          struct wait_finding *finding);
bool finding_unopened(const struct wait_graph *graph, const struct wait_thread *thread,
                      struct wait_finding *finding);
/* Of the graph's thread `index`, which goes on; see finding_backlog.c. */
bool finding_backlog(struct wait_graph *graph, uint32_t index, struct wait_finding *finding);
/* Does the thread wait, beside all else, for room in the pipe `key`? */
bool wait_graph_wants_space(const struct wait_graph *graph, const struct wait_thread *thread,
                            struct object_key key);
bool finding_backlog_confirms(const struct wait_finding *before, const struct wait_finding *now);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
