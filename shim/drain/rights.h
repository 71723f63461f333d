// SPDX-License-Identifier: MIT
/*
 * Whether another process could do to us what it likes anyway.
 */
#ifndef PIPESHIM_DRAIN_RIGHTS_H
#define PIPESHIM_DRAIN_RIGHTS_H

#include <stdbool.h>

/* True if the kernel says (/proc/PID/status) that process `pid` is of our user, or root, and has at
 * least our capabilities and no seccomp filter or no-new-privs that we have not. False also where
 * that cannot be read. Costs about 30 us. */
bool rights_include_ours(int pid);

/* Runs on: program threads, watchdog, helper (system calls only). AS-safe: yes. Blocks: no. */
#endif
