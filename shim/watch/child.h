// SPDX-License-Identifier: MIT
/* The first step in a process: what the constructor has left for later, and in a forked child the
 * one list of what it resets. scripts/check-child.py finds a mutable static that is not in it. */
#ifndef PIPESHIM_WATCH_CHILD_H
#define PIPESHIM_WATCH_CHILD_H

#include <stdbool.h>

/* Begins in this process if it has not: true in the process that may use `life` now; false in a
 * vfork child (the memory is its parent's) and where the library is inert. Async-signal-safe. */
bool life_begin(void);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
