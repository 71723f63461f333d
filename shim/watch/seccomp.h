// SPDX-License-Identifier: MIT
/*
 * Living in a process that filters its own system calls.
 *
 * A filter may kill the whole process for a call that only the watchdog makes. So the filter's
 * program is read before it takes effect: each call that the watchdog needs is run through it, as
 * the kernel would (seccomp(2): classic BPF over struct seccomp_data). What it does not allow
 * decides: it does without what is only useful (FORBIDS_…), and never runs again in this process if
 * something is refused that it cannot do without.
 *
 * The watchdog is stopped before any filter is installed and comes back as a thread that inherits
 * it: it must not become the one thread of a sandbox that is outside.
 */
#ifndef PIPESHIM_WATCH_SECCOMP_H
#define PIPESHIM_WATCH_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    FORBIDS_MEMORY = 1,    /* process_vm_readv: read through /proc/self/mem */
    FORBIDS_BORROWING = 2, /* pidfd_getfd: how full a pipe is stays unknown */
    FORBIDS_SOCKETS = 4,   /* socket peers stay unknown */
    FORBIDS_SAMPLING = 8,  /* perf_event_open, timers: no stacks of threads that run */
};

/* What the watchdog must not call in this process: FORBIDS_…, all of them under a filter that has
 * been there since before exec and so is not known. */
unsigned seccomp_forbidden(void);

/* What the program `filter` answers to kernel call `number` with all arguments 0: SECCOMP_RET_…;
 * SECCOMP_RET_KILL_PROCESS for a program that the kernel would not accept. Async-signal-safe. */
uint32_t seccomp_evaluate(const struct sock_fprog *filter, int number);

/* Decides as told above; `filter` NULL is strict mode. Async-signal-safe. */
void seccomp_filter_coming(const struct sock_fprog *filter);

/* True if the drainer can go on under `filter`; NULL is strict mode. Async-signal-safe. */
bool seccomp_allows_draining(const struct sock_fprog *filter);

#endif
