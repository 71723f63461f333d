// SPDX-License-Identifier: MIT
/*
 * From "this thread has been in this call for longer than its threshold" to a report, or to silence
 * because that is its good right. For the watchdog thread only.
 */
#ifndef PIPESHIM_WATCH_JUDGE_H
#define PIPESHIM_WATCH_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/task.h"
#include "report/reporter.h"
#include "slots/slot.h"
#include "watch/proof.h"

enum verdict {
    VERDICT_OPEN,           /* not judged, or to be judged again at the next scan */
    VERDICT_NOT_REPORTABLE, /* nothing to report about this call, however long it lasts */
    VERDICT_REPORTED,
    VERDICT_LEFT, /* the thread is no longer in it: no slot speaks for what it does now */
};

struct judgement {
    enum verdict verdict;
    struct report_ref report; /* for VERDICT_REPORTED */
    bool running;             /* VERDICT_OPEN: the thread was */
    bool moving; /* VERDICT_OPEN: nothing contradicts its slot; the thread was running, or the
                    report could not be reported now */
};

struct event_loop;

/* A thread whose slot says that it has been in a call since `since_ns`. `loop`: the event loop that
 * it runs, or NULL. `lag_ref`: the `lag` event of its loop, if there was one before; 0: none. */
struct judgement judge_slot(struct slot *slot, struct event_loop *loop, uint64_t since_ns,
                            uint64_t lag_ref);

/* The same thread in a call of CLASS_PIPE_WRITE, not due yet: if it is stuck at a pipe of which it
 * is not known who holds it, that is looked for, and its stack is explained, so that modules, their
 * symbols and the holders are known when the report is made. Reports nothing; paid as a look
 * (watch/look_budget.h). False: it was not seen inside. */
bool judge_prepare(struct slot *slot);

/* A thread of an event loop that no slot speaks for, asleep in `call` since `since_ns`. */
struct judgement judge_unslotted(struct event_loop *loop, const struct task_call *call,
                                 uint64_t since_ns, uint64_t lag_ref);

/* A thread that no slot speaks for, asleep in `call` since `since_ns`. `owner`: the slot of the
 * thread that holds the FILE lock which this one waits for, or NULL. */
struct judgement judge_sampled(int tid, const struct task_call *call, uint64_t since_ns,
                               const struct slot *owner);

/* The report on a slot's call, if there is one, is over: tells of it. False if that cannot be
 * reported now: the report stays, for the next scan. */
bool slot_end_report(struct slot *slot);

/* False if the thread was seen outside of the call that `record`, a copy of `slot`, is of: what it
 * sleeps in now, though it looks the same, is another call or has begun later. */
bool slot_speaks_for(const struct slot *slot, const struct slot_record *record);

/* At exit, when there is no watchdog any more: the ends that it has not come to see. */
void judge_end_all(void);

/* A reported call has not returned by `now`: tells it again when it is time to. */
void judge_still(int tid, struct report_ref *report, uint64_t since_ns, uint64_t now);

/* A reported call has returned. */
void judge_returned(int tid, const struct judgement *judgement, uint64_t since_ns);

/* Runs on: watchdog; judge_end_all(): the thread that ends. AS-safe: yes. Blocks: as long as the
 * file systems of symbol files do. */
#endif
