// SPDX-License-Identifier: MIT
/*
 * The stack of a thread that runs on a CPU: by perf_event_open, which needs no signal
 * (cpu_events.h), or where that is not allowed by a timer on the thread's CPU clock (cpu_timer.h).
 * Only while a lag is under way. For the watchdog thread.
 */
#ifndef PIPESHIM_WATCH_CPU_STACKS_H
#define PIPESHIM_WATCH_CPU_STACKS_H

#include <stdbool.h>

#include "explain/stack_snapshot.h"

/* Which source is on, as `start` says it: "perf_event", "timer", or "off: " and why.
 * Async-signal-safe. */
const char *cpu_stacks_source(void);

/* The watchdog begins: forgets what another one had open. */
void cpu_stacks_reset(void);
/* A forked child: what its parent sampled is not its business. */
void cpu_stacks_begin_in_child(void);
/* The watchdog ends: nothing goes on without it. */
void cpu_stacks_stop(void);

/* Begins to sample thread `tid`, or goes on with it; false: not possible. The first time costs the
 * watchdog some 150 us. */
bool cpu_stacks_begin(int tid);

/* The newest sample of `tid` since it was begun; false: there is none. */
bool cpu_stacks_latest(int tid, struct stack_snapshot *snapshot);

/* No more samples of `tid`. Cheap. */
void cpu_stacks_end(int tid);

/* Runs on: watchdog; cpu_stacks_source(): any. AS-safe: yes. Blocks: no. */
#endif
