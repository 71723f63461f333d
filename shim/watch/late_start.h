// SPDX-License-Identifier: MIT
/*
 * The part of the start that costs: made by the first call that may block or that needs it, so that
 * a process which never comes to one (most commands of a shell script) pays nothing for it.
 *
 * Until then the library makes no system call that ld.so has not made to load it, with arguments
 * that a filter could tell apart. So a seccomp filter that was there before the program is met
 * before the first other call, whenever that is (kernel/inherited_filter.h).
 *
 * What would make a later start another one is preceded by it: a change of rights, a filter of the
 * program's own, another root (doors/), and memory that two processes share (vfork). What settings
 * want to know of the very start (a relative path, an open fd, a file of rules) is no reason to
 * wait: the constructor begins at once.
 */
#ifndef PIPESHIM_WATCH_LATE_START_H
#define PIPESHIM_WATCH_LATE_START_H

#include <stdbool.h>

/* `begin` will be called once, on a stack of its own with all signals blocked; it ends with
 * life_activate() or life_go_inert(). For the constructor; makes no system call. */
void late_start_prepare(void (*begin)(void));

/* Begins if that was postponed. True if calls are recorded from now on. Another thread that is at
 * it is waited for, some 50 us. Async-signal-safe. */
bool late_start(void);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: 50 ms at most. */
#endif
