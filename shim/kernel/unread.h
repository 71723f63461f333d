// SPDX-License-Identifier: MIT
/*
 * Why a process may not be read. The kernel asks for more of who reads the descriptors, the call or
 * the memory of another one (ptrace(2), "Ptrace access mode checking") than of who lists it.
 */
#ifndef PIPESHIM_KERNEL_UNREAD_H
#define PIPESHIM_KERNEL_UNREAD_H

#include <stdbool.h>

#include "facts/object_facts.h"

/* Of a process of which something could not be read for want of permission; UNREAD_NOT: it has
 * nothing to hide, for it is a thread of the kernel, has ended, or is gone. */
enum unread unread_because(int pid);

/* Whether its effective user is the caller's; false too of one that is gone. */
bool is_of_our_user(int pid);

/* Counts it among those who may hold what was looked for. */
void unread_count(int pid, struct unread_count *count);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
