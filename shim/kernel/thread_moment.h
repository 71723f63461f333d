// SPDX-License-Identifier: MIT
/*
 * Where a thread of any process stands while it sleeps, and whether it has run since: what is read
 * of its memory between two equal moments was its stack all the time. Nothing is stopped.
 */
#ifndef PIPESHIM_KERNEL_THREAD_MOMENT_H
#define PIPESHIM_KERNEL_THREAD_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

enum thread_moment_status {
    MOMENT_GONE,      /* no such thread */
    MOMENT_FORBIDDEN, /* the kernel does not let the caller trace it: ptrace(2), "access mode" */
    MOMENT_RUNNING,   /* on a CPU, or about to be */
    MOMENT_ASLEEP,
};

struct thread_moment {
    enum thread_moment_status status;
    /* for MOMENT_ASLEEP: */
    long number; /* of the system call; -1: none (a stop, a page fault) */
    uint64_t arguments[6];
    uint64_t sp, pc;
    uint64_t run_time; /* CPU time so far, in ns; */
    uint64_t switches; /* and context switches of both kinds */
};

/* Reads syscall, schedstat and status of /proc/PID/task/TID. Some 10 us. */
void thread_moment_read(int pid, int tid, struct thread_moment *moment);

/* Whether the thread slept from the one to the other, without a break. */
bool thread_moment_same(const struct thread_moment *before, const struct thread_moment *after);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
