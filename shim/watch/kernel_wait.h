// SPDX-License-Identifier: MIT
/*
 * What a thread waits for that no slot speaks for: the class, the descriptor and the detail of a
 * kernel call, as a row of facts/calls.def has them for a door.
 */
#ifndef PIPESHIM_WATCH_KERNEL_WAIT_H
#define PIPESHIM_WATCH_KERNEL_WAIT_H

#include <stdint.h>

#include "facts/calls.h"
#include "kernel/task.h"

struct kernel_wait {
    enum call_class class;
    int fd;          /* -1: none */
    uint64_t detail; /* bytes asked for; the pid of class CHILD (-1 any); a path's address */
};

/* `call` has status TASK_IN_CALL. A pure function. */
struct kernel_wait kernel_wait_of(const struct task_call *call);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
