// SPDX-License-Identifier: MIT
/*
 * The threads that the sampler has seen asleep in a call of interest, and since when: a write that
 * no slot tells of, or a wait for the lock of a FILE whose holder is stuck in one. One and the same
 * sleep is known by the call, its descriptor, the stack pointer and the thread's run time; it is
 * judged once it has lasted for the threshold, and its end is reported.
 *
 * At most 1024 at once; further ones are not seen.
 */
#ifndef PIPESHIM_WATCH_TRACKED_CALLS_H
#define PIPESHIM_WATCH_TRACKED_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/task.h"
#include "slots/slot.h"

/* A new watchdog, or a forked child: nothing has been seen. */
void tracked_calls_begin(void);

/* All threads are looked at now. */
void tracked_calls_begin_round(void);

/* A thread is asleep in `call` at `now` (CLOCK_MONOTONIC, ns): in a write, or, with an `owner`, in
 * the wait for a lock that the thread of that slot holds. True if it is a write that has been
 * reported and lasts. */
bool tracked_calls_see(int tid, const struct task_call *call, uint64_t now,
                       const struct slot *owner);

bool tracked_calls_has(int tid);

/* One was seen in this round, or, between two of them, in the last one. */
bool tracked_calls_any(void);

/* What was not seen in this round has ended, and is reported so. Returns the CPU time, in ns, that
 * this round's judgements took: reports are rare, and no part of what a look costs. */
uint64_t tracked_calls_end_round(void);

/* At exit, by the thread that exits: if its call was reported, it has ended, and that is reported.
 */
void tracked_calls_end_own(void);

/* Runs on: watchdog; tracked_calls_end_own(): the thread that ends. AS-safe: yes. Blocks: as long
 * as the file systems of symbol files do. */
#endif
