// SPDX-License-Identifier: MIT
/*
 * Seccomp filters that were there before the program began.
 *
 * Nobody can read them, and a filter that kills cannot be tried out. So until it is known that
 * there is none, and under one that is not known to be harmless, the library makes no call but
 * those that ld.so must have made to load it: openat, read, close and mprotect, with arguments that
 * a filter cannot tell apart.
 *
 * A container engine's filter is lived with: everything in the container is under it, a thread or a
 * process can be made there, and what it does not allow fails. One that a launcher has put around
 * this one program (minijail, systemd's SystemCallFilter=, nsjail, a judge of programming contests)
 * may allow what the program needs and nothing else.
 */
#ifndef PIPESHIM_KERNEL_INHERITED_FILTER_H
#define PIPESHIM_KERNEL_INHERITED_FILTER_H

enum filter_verdict {
    FILTER_PERMITS, /* this process may be watched */
    FILTER_FORBIDS, /* make no call at all, ever */
    FILTER_UNKNOWN, /* make none now: the process has no descriptor left to read with */
};

struct inherited_filter {
    enum filter_verdict verdict;
    unsigned count, forbids; /* for filters_added() */
};

/* Takes what the environment says of it; the program may change its own later. For the constructor;
 * makes no system call. */
void inherited_filter_prepare(char *const *environment);

/* What the kernel says of this process; reads and changes nothing else. */
struct inherited_filter inherited_filter_read(void);

/* Remembers the filters that were found (process/filters.h). Once. */
void inherited_filter_accept(const struct inherited_filter *filter);

/* Runs on: program threads, signal handlers, the tool; one prepares and accepts. AS-safe: yes.
 * Blocks: no. */
#endif
