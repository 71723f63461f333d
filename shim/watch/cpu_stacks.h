// SPDX-License-Identifier: MIT
/*
 * The stack of a thread that runs on a CPU, without a signal: perf_event_open(2) on the thread
 * itself. The kernel's timer interrupt copies the registers and the stack of whatever the thread
 * runs into a ring; nothing in the program is interrupted, no call returns EINTR. Only while a lag
 * is under way. For the watchdog thread.
 */
#ifndef PIPESHIM_WATCH_CPU_STACKS_H
#define PIPESHIM_WATCH_CPU_STACKS_H

#include <stdbool.h>

#include "explain/stack_snapshot.h"

/* Which source is on, as `start` says it: "perf_event", or "off: " and why. Async-signal-safe. */
const char *cpu_stacks_source(void);

/* Forgets what another watchdog had open. */
void cpu_stacks_reset(void);

/* Begins to sample thread `tid`, or goes on with it; false: not possible. The first time costs the
 * watchdog some 150 us. */
bool cpu_stacks_begin(int tid);

/* The newest sample of `tid` since it was begun; false: there is none. */
bool cpu_stacks_latest(int tid, struct stack_snapshot *snapshot);

/* No more samples of `tid`. Cheap; what was set up for it is kept for the next time. */
void cpu_stacks_end(int tid);

#endif
