// SPDX-License-Identifier: MIT
/*
 * What is known of the seccomp filters that this process is under.
 *
 * Filters are never taken back and every child has its parent's: so this is no part of `struct
 * life`, which a forked child finds wiped.
 */
#ifndef PIPESHIM_PROCESS_FILTERS_H
#define PIPESHIM_PROCESS_FILTERS_H

#include <stdbool.h>

enum {
    FORBIDS_MEMORY = 1,       /* process_vm_readv: read through /proc/self/mem */
    FORBIDS_BORROWING = 2,    /* pidfd_getfd: how full a pipe is stays unknown */
    FORBIDS_SOCKETS = 4,      /* socket peers stay unknown */
    FORBIDS_SAMPLING = 8,     /* perf_event_open, timers: no stacks of threads that run */
    FORBIDS_WRITER = 16,      /* the log's writer: who tells writes the log */
    FORBIDS_METRICS = 32,     /* the calls of a process that replaces a file */
    FORBIDS_JOURNAL = 64,     /* the journal's protocol */
    FORBIDS_DRAINING = 128,   /* what the drainer needs, which has not begun */
    FORBIDS_LONG_SLEEP = 256, /* futex_waitv: the watchdog looks once in 2 s */
    FORBIDS_ALL = FORBIDS_MEMORY | FORBIDS_BORROWING | FORBIDS_SOCKETS | FORBIDS_SAMPLING |
                  FORBIDS_LONG_SLEEP,
};

/* `count` more filters are in force, which forbid `forbidden` (FORBIDS_…) and nothing that the
 * watchdog cannot do without. */
void filters_added(unsigned count, unsigned forbidden);

/* How many have been added: the kernel's own number (Seccomp_filters in /proc/PID/status) is larger
 * where some came in by a way that the library does not see. */
unsigned filters_known(void);

/* FORBIDS_…, of all that have been added. */
unsigned filters_forbid(void);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
