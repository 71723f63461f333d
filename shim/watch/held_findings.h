// SPDX-License-Identifier: MIT
/*
 * The findings that this process has reported, as long as the waits last that they are about. The
 * status page shows them, and PIPESHIM_ACTION acts on them at a third look, also when it was set
 * after the report.
 *
 * Who reads in a loop what another process writes waits in one place for ever, whether it gets
 * something or not. So a finding is doubted as soon as its thread has run: other looks at all
 * processes must find the same, or it is over for now (the deadlock was opened from outside, and
 * work goes on). It is held all the same, for it may come back.
 */
#ifndef PIPESHIM_WATCH_HELD_FINDINGS_H
#define PIPESHIM_WATCH_HELD_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/status_page.h"
#include "graph/finding.h"

enum { HELD_FINDINGS = STATUS_FINDINGS };

struct held_finding {
    int tid;            /* the thread of this process that waits */
    bool to_act;        /* it is a member itself, and was not acted on yet */
    uint64_t since;     /* CLOCK_MONOTONIC: for so long it is certain to last */
    uint64_t place;     /* as long_waits_since() has it; 0: the sampler has not seen this wait */
    uint64_t looked_ns; /* long_waits_looked_ns() when it was found */
    enum finding_kind kind;
    uint64_t id, seq;     /* wait_finding's identity, the number of its event */
    int first_tid;        /* its first link: a writer, as a rule, */
    uint64_t first_inode; /* and its pipe */
    uint64_t act_not_before;
    uint64_t run_time; /* of the thread when it was last found, and at the last scan: not equal, */
    uint64_t run_time_now; /* it has run */
    bool active;           /* it holds, as far as is known */
    unsigned missed;       /* looks in a row that have not found it */
};

void held_findings_begin(void);

/* It was reported, and holds. A thread waits in one place: what was held of it before is over. */
void held_findings_add(const struct held_finding *finding);

/* A scan at `now` has found `count` findings: are those that are doubted among them? */
void held_findings_look(const struct wait_finding *found, unsigned count, uint64_t now);

/* A scan is needed to know whether one of them holds. */
bool held_findings_doubted(void);

/* When one of them is to be acted on (PIPESHIM_ACTION); UINT64_MAX: none. */
uint64_t held_findings_act_at(uint64_t now);

/* Acts on what is due and is among what a scan at `now` has found: the third look at it. */
void held_findings_act(const struct wait_finding *found, unsigned count, uint64_t now);

/* What a finding is called as long as it is the same one. */
uint64_t finding_identity(const struct wait_finding *finding);

/* Of a deadlock that is held: is the same thread stuck on the same object in `finding`, which is
 * none? One scan may see less than another. */
bool held_findings_know(const struct wait_finding *finding);

/* Is a deadlock held of this thread of ours? */
bool held_findings_deadlock(int tid);

/* Drops those whose wait is over, also on the status page. One read of the run time for each. */
void held_findings_see(void);

/* The one at `index`, in no order; NULL after the last. */
struct held_finding *held_finding_at(unsigned index);

/* Runs on: watchdog. AS-safe: yes. Blocks: 50 ms at most (the reporter's lock). */
#endif
