// SPDX-License-Identifier: MIT
/*
 * The stack of a thread that runs on a CPU, without a signal: perf_event_open(2) on the thread
 * itself. The kernel's timer interrupt copies the registers and the stack of whatever the thread
 * runs into a ring; nothing in the program is interrupted, no call returns EINTR. Only while a lag
 * is under way. For the watchdog thread.
 */
#ifndef PIPESHIM_WATCH_CPU_EVENTS_H
#define PIPESHIM_WATCH_CPU_EVENTS_H

#include <stdbool.h>

#include "explain/stack_snapshot.h"

/* True if the kernel lets this process use it. Reads one file of /proc. Async-signal-safe. */
bool cpu_events_allowed(void);

/* Forgets what another watchdog had open, in this process; */
void cpu_events_reset(void);
/* or in the parent, whose mappings a forked child does not have. */
void cpu_events_begin_in_child(void);

/* Begins to sample thread `tid`, or goes on with it; false: not possible. The first time costs the
 * watchdog some 150 us. */
bool cpu_events_begin(int tid);

/* The newest sample of `tid` since it was begun; false: there is none. */
bool cpu_events_latest(int tid, struct stack_snapshot *snapshot);

/* No more samples of `tid`. Cheap; what was set up for it is kept for the next time. */
void cpu_events_end(int tid);

/* Runs on: watchdog; cpu_events_allowed(): any. AS-safe: yes. Blocks: no. */
#endif
