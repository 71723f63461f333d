// SPDX-License-Identifier: MIT
/*
 * Is the thread really where its slot says it is?
 *
 * A slot may say only what was entered last, and siglongjmp out of a handler and pthread_cancel
 * leave it odd for ever. So nothing is reported on a slot's word alone: the kernel must show the
 * thread asleep in the expected call, at a stack pointer just below the saved one (libc's stub and
 * its callees lie in between), and of a call whose end is not marked with the same arguments.
 */
#ifndef PIPESHIM_WATCH_PROOF_H
#define PIPESHIM_WATCH_PROOF_H

#include <stdint.h>

#include "kernel/task.h"
#include "slots/slot.h"

enum proof {
    PROOF_HOLDS,
    PROOF_FAILS,   /* the kernel contradicts the slot */
    PROOF_RUNNING, /* not asleep at this moment: look again */
};

/* What a slot said when it was copied. */
struct slot_record {
    uint32_t sequence;
    enum call_id call;
    int fd;
    int tid;
    bool end_unmarked;      /* it says only what was entered last; then: */
    uint64_t buffer, third; /* the second argument and the third */
    uint64_t detail;
    uint64_t wait_sp;
    struct readiness_waits waits[READINESS_KINDS];
    struct saved_registers registers;
};

/* What the kernel says that the thread does; TASK_RUNNING, which nothing is concluded from, when
 * the watchdog may not ask (kernel/rights.h). */
struct task_call watched_call(int tid);

/* Copies what the slot says; false when it changed meanwhile or the thread is in no call. */
bool slot_copy(const struct slot *slot, struct slot_record *record);

/* True if `call`, of status TASK_IN_CALL, is the one that the record is of. */
bool record_is_of(const struct slot_record *record, const struct task_call *call);

/* Judges `record` by what the kernel says; fills `call` with it. For the watchdog thread. If the
 * end of the call is not marked, it holds only as long as the slot's sequence is the same
 * afterwards. */
enum proof prove(const struct slot_record *record, struct task_call *call);

/* True if the thread has been in the call of `record` since it was copied. */
bool record_holds(const struct slot *slot, const struct slot_record *record);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
