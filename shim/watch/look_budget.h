// SPDX-License-Identifier: MIT
/*
 * What the looks at who waits for whom may cost, all together: whatever they are made for (a write
 * that is stuck, a wait that has lasted, a suspicion, an action), they are paid from here, in CPU
 * time of the watchdog. In any time T they take at most T / LOOKS_CPU_RATIO, and what was saved
 * up before, and one pass more (at most LOOKS_OF_A_PASS), for what that costs is not known before
 * it is made.
 */
#ifndef PIPESHIM_WATCH_LOOK_BUDGET_H
#define PIPESHIM_WATCH_LOOK_BUDGET_H

#include <stdint.h>

#include "report/summary.h"

enum {
    LOOKS_CPU_RATIO =
        150, /* with what is looked at besides (sampler, filling) below 1 % of a CPU */
    /* What was found is looked at again, what is to be acted on, and for what is new the relatives,
     * all processes, and where something is wrong all once more. */
    LOOKS_OF_A_PASS = 5,
    LOOKS_SAVED_MS = 100, /* of CPU: a cycle is told at once where a look takes 50 ms (500 processes
                           * on a busy machine) */
};

/* A forked child has its own. */
void look_budget_begin_in_child(void);

/* When the next look may begin (CLOCK_MONOTONIC, ns): `now` at the latest if it can be paid. */
uint64_t look_budget_due(uint64_t now);

/* A look that ended at `now` has cost `cpu_ns`. */
void look_budget_spend(uint64_t now, uint64_t cpu_ns);

/* What was spent in this process so far. May be called while a look is made. */
struct look_totals look_budget_totals(void);

/* Runs on: watchdog, and look_budget_totals on any. AS-safe: yes. Blocks: no. */
#endif
