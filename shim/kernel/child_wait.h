// SPDX-License-Identifier: MIT
/* The children of a thread, from /proc/PID/task/TID/children (proc(5), CONFIG_PROC_CHILDREN). */
#ifndef PIPESHIM_KERNEL_CHILD_WAIT_H
#define PIPESHIM_KERNEL_CHILD_WAIT_H

#include <stdbool.h>

/* Calls visit() with each child that thread `tid` of process `pid` has made and that has not been
 * waited for, until it returns false. Returns 0; 1 if there are more than were read (some hundred);
 * -errno if the thread is gone or this kernel does not tell. */
long children_of_thread(int pid, int tid, bool (*visit)(void *context, int child), void *context);

/* The first of them, of a thread of this process; 0: none, or this kernel does not tell. */
int child_first(int tid);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
