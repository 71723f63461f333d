// SPDX-License-Identifier: MIT
/* How much memory the queues may take where the kernel would kill for more. */
#ifndef PIPESHIM_KERNEL_MEMORY_LIMIT_H
#define PIPESHIM_KERNEL_MEMORY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* The smallest limit of this process's memory cgroup and those above it (cgroups(7), both
 * versions); UINT64_MAX: there is none, or it cannot be read. About ten system calls. */
uint64_t memory_limit(void);

/* The same of the groups that a /proc/PID/cgroup names. */
uint64_t memory_limit_of(const char *groups);

/* Runs on: program threads. AS-safe: yes. Blocks: no. */
#endif
