// SPDX-License-Identifier: MIT
/*
 * How long an event loop stays away from its wait, and why.
 *
 * Every scan asks each loop thread's slot whether it is in the loop's own wait; a thread that is
 * not is asked (in /proc) what it does. How much of a lag was CPU time, and how much waiting
 * for a CPU, the scheduler tells exactly (schedstat); the rest is divided among the calls by how
 * often each was seen.
 *
 * One stall is one report. A call that explains the lag is reported by itself (`blocked`), as
 * soon as it crosses its own threshold; `lag` is reported only when no call is to blame, or when it
 * has been reported already before the call became slow (then the call's report refers to it).
 */
#ifndef PIPESHIM_WATCH_LAG_H
#define PIPESHIM_WATCH_LAG_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/lag_facts.h"
#include "facts/report_ref.h"
#include "kernel/memory_reader.h"
#include "watch/event_loops.h"

/* Forgets all: the watchdog begins, or a forked child. */
void lag_begin(void);

/* What a look at a loop found. */
struct lag_scan {
    bool lagging;   /* look again soon, */
    bool lasts;     /* and closely: two scans have seen it away and not back in between */
    uint64_t again; /* at this time at the latest */
};

struct lag_scan lag_scan(struct event_loop *loop, const struct memory_reader *memory, uint64_t now);

/* The `lag` event of this lag; 0: none, or it was held back. */
uint64_t lag_ref(const struct event_loop *loop);

/* A call on the loop's thread, which has lasted since `since_ns` (CLOCK_MONOTONIC), has been
 * reported: it explains this lag. */
void lag_explained_by(const struct event_loop *loop, const struct report_ref *report,
                      uint64_t since_ns);

/* Calls `visit` for each loop that the last scan has found away, and was told of. */
void lag_for_each_absence(void (*visit)(const struct lag_absence *absence, void *context),
                          void *context);

/* The one of them that has been away for longest. False: none is. */
bool lag_longest_absence(struct lag_absence *longest);

/* At exit: the ends that the watchdog has not come to see yet. Async-signal-safe. */
void lag_end_all(void);

/* The statistics of all loops; returns how many. Read at exit by the program's thread, while the
 * watchdog may still write: numbers, no pointers. */
unsigned lag_statistics(struct loop_statistics *out, unsigned limit);

/* Runs on: watchdog; lag_end_all(), lag_statistics(): the thread that ends. AS-safe: yes. Blocks:
 * as long as the file systems of symbol files do. */
#endif
