// SPDX-License-Identifier: MIT
/*
 * Calls that take rights from the program: the watchdog must not keep what the program gives up.
 */
#ifndef PIPESHIM_DOORS_RIGHTS_DOORS_H
#define PIPESHIM_DOORS_RIGHTS_DOORS_H

#include <stdbool.h>

/* True if this process is the one whose watchdog `life` describes (not a vfork child). */
bool watchdog_is_ours(void);

enum watchdog_hold {
    NOT_HELD,  /* nothing to release */
    HELD,      /* there was none */
    HELD_BACK, /* one that ran */
};

/* Around a call that changes rights: no watchdog runs until the release, see
 * watchdog_thread_hold(). After it one starts with the next call that may block, not before: a
 * change of rights is often the first of several (no_new_privs and then Landlock). */
enum watchdog_hold hold_watchdog(void);
void release_watchdog(enum watchdog_hold hold);

/* True if prctl(2) with this option, or unshare(2) with these flags, takes rights or view from the
 * thread that calls it. */
bool prctl_changes_rights(int option);
bool unshare_changes_rights(int flags);

/* unshare(2), for syscall(SYS_unshare, …) as well. */
int rights_unshare(int flags);

/* Before syscall(`number`, …) changes rights, with nothing to call afterwards. */
void before_raw_change_of_rights(long number);

/* Before syscall(SYS_exit, …), which ends the calling thread only. */
void before_raw_exit(int status);

/* Runs on: the program's threads. AS-safe: yes. Blocks: 2 s at most, while the kernel holds the
 * watchdog. */
#endif
