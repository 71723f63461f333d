// SPDX-License-Identifier: MIT
/*
 * Event loops that stand still: their main thread sleeps in a call that blocks, made by what the
 * loop has called (subprocess.run() in a coroutine). Nobody is stuck for the other one's sake, so
 * that the graph has no finding; but all that the loop serves waits.
 */
#ifndef PIPESHIM_CLI_DIAGNOSE_BLOCKED_LOOP_H
#define PIPESHIM_CLI_DIAGNOSE_BLOCKED_LOOP_H

#include "graph/finding.h"

/* Of the processes `pids` (NULL: all) of a loaded graph that are in none of the `count` findings:
 * adds one of FINDING_BLOCKED for each whose loop stands still, in the graph and after another
 * `apart_ms`, which it waits if there is one to confirm. Returns the new count, at most `limit`. */
unsigned blocked_loops_find(const struct wait_graph *graph, const int *pids, unsigned pid_count,
                            struct wait_finding *findings, unsigned count, unsigned limit,
                            unsigned apart_ms);

/* Runs on: tool. AS-safe: no. Blocks: as said. */
#endif
