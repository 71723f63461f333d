// SPDX-License-Identifier: MIT
/*
 * Is the thread really where its slot says it is?
 *
 * siglongjmp out of a handler and pthread_cancel leave a slot odd for ever. So nothing is reported
 * on a slot's word alone: the kernel must show the thread asleep in the expected call, at a stack
 * pointer just below the saved one (libc's stub and its callees lie in between).
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
    uint64_t detail;
    struct readiness_waits waits[READINESS_KINDS];
    struct saved_registers registers;
};

/* What the kernel says that the thread does; TASK_RUNNING, which nothing is concluded from, when
 * the watchdog may not ask (kernel/rights.h). */
struct task_call watched_call(int tid);

/* Copies what the slot says; false when it changed meanwhile or the thread is in no call. */
bool slot_copy(const struct slot *slot, struct slot_record *record);

/* Judges `record` by what the kernel says; fills `call` with it. For the watchdog thread. */
enum proof prove(const struct slot_record *record, struct task_call *call);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
