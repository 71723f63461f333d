// SPDX-License-Identifier: MIT
/*
 * Living in a process that filters its own system calls.
 *
 * A filter may kill the whole process for a call that only the watchdog makes. So the filter's
 * program is read before it takes effect, as the kernel would read it, and each call that the
 * library needs is run through it. What it does not allow decides: the library does without what is
 * only useful (FORBIDS_…), and makes no call any more in this process and its children if something
 * is refused that it cannot do without.
 *
 * That is found out before the kernel is asked, and acted on when the kernel has taken the filter:
 * most requests only ask what the kernel can do (libseccomp makes half a dozen of them), and are
 * refused. The watchdog is not there while a filter is installed and comes back as a thread that
 * inherits it: it must not become the one thread of a sandbox that is outside.
 */
#ifndef PIPESHIM_WATCH_SECCOMP_H
#define PIPESHIM_WATCH_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>

#include "process/filters.h"

/* A request for a filter, or for strict mode, and what would become of the library under it. */
struct filter_request {
    bool is_one;          /* else nothing is to be done */
    bool of_all_threads;  /* SECCOMP_FILTER_FLAG_TSYNC */
    bool is_likely;       /* as far as can be known before, the kernel will take it */
    bool allows_watching; /* all that the watchdog and the log cannot do without */
    bool allows_draining; /* all that the drainer and its helper need */
    unsigned forbids;     /* FORBIDS_… */
};

/* prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT). */
struct filter_request seccomp_request_strict(void);
/* The kernel call seccomp(operation, flags, program), or prctl() with what is the same. `program`
 * is read as the kernel reads it: any address may be given. A few system calls. */
struct filter_request seccomp_request(unsigned operation, unsigned flags, const void *program);

/* The kernel has answered `result` to seccomp(2) with `flags`: true if the filter is in force. */
bool seccomp_was_taken(unsigned flags, long result);

/* The filter is in force: remembers that. Makes no system call. */
void seccomp_taken(const struct filter_request *request);

/* What the watchdog must not call in this process: FORBIDS_…, all of them if there is a filter that
 * nobody has read. On the watchdog; reads /proc/thread-self/status. */
unsigned seccomp_forbidden(void);

/* True if the drainer may begin now, long after the start. On the watchdog, as the last. */
bool seccomp_permits_draining(void);

/* Runs on: the program's threads, or as said. AS-safe: yes. Blocks: no. */
#endif
