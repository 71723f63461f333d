// SPDX-License-Identifier: MIT
/*
 * Seccomp filters that were there before the program began.
 *
 * Nobody can read them, and a filter that kills cannot be tried out. So until it is known that
 * there is none, and under one that is not known to be harmless, the library makes no call but
 * those that ld.so must have made to load it: openat, read and close, with the same arguments.
 *
 * A container engine's filter is lived with: everything in the container is under it, a thread or a
 * process can be made there, and what it does not allow fails. One that a launcher has put around
 * this one program (minijail, systemd's SystemCallFilter=, nsjail, a judge of programming contests)
 * may allow what the program needs and nothing else.
 */
#ifndef PIPESHIM_WATCH_INHERITED_FILTER_H
#define PIPESHIM_WATCH_INHERITED_FILTER_H

#include <stdbool.h>

/* True if this process may be watched; false: make no call at all. Remembers the filters it found
 * (process/filters.h). For the constructor, first of all. */
bool inherited_filter_permits(char *const *environment);

/* Runs on: the thread that loads the library. AS-safe: no. Blocks: no. */
#endif
