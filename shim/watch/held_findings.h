// SPDX-License-Identifier: MIT
/*
 * The findings that this process has reported, as long as the waits last that they are about. The
 * status page shows them, and PIPESHIM_ACTION acts on them at a third look, also when it was set
 * after the report.
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
    uint64_t since;     /* as long_waits_since() has it; 0: the sampler has not seen it yet */
    uint64_t looked_ns; /* long_waits_looked_ns() when it was found */
    enum finding_kind kind;
    uint64_t id, seq;     /* wait_finding's identity, the number of its event */
    int first_tid;        /* its first link: a writer, as a rule, */
    uint64_t first_inode; /* and its pipe */
    uint64_t act_not_before;
};

void held_findings_begin(void);

/* It was reported. A thread waits in one place: what was held of it before is over. */
void held_findings_add(const struct held_finding *finding);

/* Of a deadlock that is held: is the same thread stuck on the same object in `finding`, which is
 * none? One scan may see less than another. */
bool held_findings_know(const struct wait_finding *finding);

/* Is a deadlock held of this thread of ours? */
bool held_findings_deadlock(int tid);

/* Drops those whose wait is over, also on the status page. */
void held_findings_see(void);

/* The one at `index`, in no order; NULL after the last. */
struct held_finding *held_finding_at(unsigned index);

/* Runs on: watchdog. AS-safe: yes. Blocks: 50 ms at most (the reporter's lock). */
#endif
