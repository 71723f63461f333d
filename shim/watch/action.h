// SPDX-License-Identifier: MIT
/*
 * PIPESHIM_ACTION: what is done about a wait that lasts, besides telling of it.
 *
 * Only about what PIPESHIM_ACTION_ON names, when it has lasted PIPESHIM_ACTION_AFTER without a
 * break, at most PIPESHIM_ACTION_MAX times in the life of a process. A process that was stopped, a
 * machine that slept: the time begins anew. Nothing is done while a debugger is attached.
 */
#ifndef PIPESHIM_WATCH_ACTION_H
#define PIPESHIM_WATCH_ACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "graph/finding.h"

/* Nothing was done yet: of a new process, or a forked child. */
void action_begin(void);

/* True if PIPESHIM_ACTION_ON names findings of this kind, and one may still be acted on. */
bool action_wanted(enum finding_kind kind);

/* When the wait that has been held since `since_ns` is to be acted on (CLOCK_MONOTONIC). */
uint64_t action_due(uint64_t since_ns, uint64_t now);

/* A third scan has found the same wait. False: not now, a debugger is attached or a
 * command still runs. `ref`: the seq of its event; `tid`: the thread of this process that waits. */
bool action_on_finding(const struct wait_finding *finding, uint64_t ref, int tid,
                       uint64_t blocked_ns);

/* At each scan of the watchdog: calls and lags that last, and what becomes of an action. Returns
 * when to call again. */
uint64_t action_poll(uint64_t now);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
