// SPDX-License-Identifier: MIT
/* The children of this process, from /proc. For the watchdog thread. */
#ifndef PIPESHIM_KERNEL_CHILD_WAIT_H
#define PIPESHIM_KERNEL_CHILD_WAIT_H

#include <stdbool.h>

/* True if process `pid` is a child of this one. */
bool child_is_ours(int pid);

/* A child that thread `tid` has made and that has not been waited for, the first; 0: none, or this
 * kernel does not tell (CONFIG_PROC_CHILDREN). */
int child_first(int tid);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
