// SPDX-License-Identifier: MIT
/*
 * A short-lived process for what may wait for a file system: made by clone(2) with the program's
 * memory, an fd table of its own and no exit signal, so that no wait() of the program sees it. If a
 * file system hangs, it hangs, and no thread of the program with it. It calls nothing of libc.
 *
 * It has the rights of the thread that makes it: watch/companions.h.
 */
#ifndef PIPESHIM_KERNEL_SHORT_PROCESS_H
#define PIPESHIM_KERNEL_SHORT_PROCESS_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The fd table is shared for a moment, for a copy would be a second holder of each of the program's
 * pipes; valgrind knows no CLONE_VM without CLONE_FS. */
enum {
    SHORT_PROCESS_FLAGS = CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_UNTRACED | CLONE_PARENT_SETTID |
                          CLONE_CHILD_CLEARTID,
    SHORT_PROCESS_STACK = 64 * 1024,
};

/* All zero: none. One at a time. */
struct short_process {
    _Atomic int32_t tid; /* cleared by the kernel when it is gone */
    int32_t to_reap;     /* one that has not been waited for; 0: none */
};

/* Runs entry() in one, with all signals blocked, on the SHORT_PROCESS_STACK bytes at `stack`
 * (aligned to 16). False: the kernel made none. */
bool short_process_start(struct short_process *process, char *stack, int (*entry)(void));

/* For entry(), first: leaves the fd table of who made it for an empty one. */
void short_process_leave_fd_table(void);

/* True when it is no more: its stack is free. */
bool short_process_is_gone(struct short_process *process);

/* Waits until it is gone, or until `deadline_ns` (CLOCK_MONOTONIC): false then. One that only lacks
 * a CPU hangs on no disk and is waited for longer, two seconds. */
bool short_process_wait(struct short_process *process, uint64_t deadline_ns);

/* Ends it without waiting: one that the kernel holds ends when it is let go. */
void short_process_kill(struct short_process *process);

/* Waits as above for 50 ms, then kills it. */
void short_process_stop(struct short_process *process);

/* Runs on: any. AS-safe: yes. Blocks: wait and stop as said. */
#endif
