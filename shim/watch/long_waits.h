// SPDX-License-Identifier: MIT
/*
 * Which threads of this process have waited long for somebody else: for a child, for what another
 * process writes or reads, for a file lock. Such a wait is nobody's fault, as a rule, and nothing
 * is reported; it is only when the look at who waits for whom (watch/deadlock.h) is worth its
 * cost, and how often.
 *
 * A wait is due when it has lasted FIRST_SCAN_MS, and again after twice that, up to a minute. A
 * wait that comes round again and again in the same place (Bun polls for 999 ms at a time) counts
 * as one. All of it is fed by what the sampler reads anyway.
 */
#ifndef PIPESHIM_WATCH_LONG_WAITS_H
#define PIPESHIM_WATCH_LONG_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/task.h"

/* A new watchdog has seen nothing. */
void long_waits_begin(void);

/* All threads are looked at now: what is not seen in some of these rounds is over. */
void long_waits_begin_round(uint64_t now);

/* A thread was seen asleep in `call` at `now` (CLOCK_MONOTONIC, ns). One read of its run time if it
 * is a call of interest, else nothing. */
void long_waits_see(int tid, const struct task_call *call, uint64_t now);

/* Is a scan due at `now`? If so the waits that were due are counted as looked at. `*next`: when the
 * next one will be due if nothing changes; UINT64_MAX when nobody waits. */
bool long_waits_due(uint64_t now, uint64_t *next);

/* Since when the thread has waited in this place, as far as it was seen; 0: it was not. It may have
 * come round any number of times: who reads what others send does so in one place for ever. */
uint64_t long_waits_since(int tid);

/* Since when the thread has slept there without having run; 0: it was not seen, or has run since.
 */
uint64_t long_waits_asleep_since(int tid);

/* For how long all threads have been looked at, in ns: a clock that stands still while the process
 * is stopped, or gets no CPU. */
uint64_t long_waits_looked_ns(void);

/* The thread whose wait is the oldest; 0: none waits. */
int long_waits_oldest(void);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
