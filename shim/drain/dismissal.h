// SPDX-License-Identifier: MIT
/*
 * A service manager stops a service with a SIGTERM for each of its processes, the helper too, and
 * waits for all of them. So a helper that got one stays for as long as the program lives, or its
 * reader takes something now and then, and goes when neither is so: what is left is lost then, as
 * it is in the hands of a program that dies of the signal in write().
 */
#ifndef PIPESHIM_DRAIN_DISMISSAL_H
#define PIPESHIM_DRAIN_DISMISSAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* From here on SIGTERM is heard: it ends a system call that waits (EINTR), again and again. */
void dismissal_begin(void);

/* True if one has come. */
bool dismissal_was_heard(void);

/* True if the helper of `program`, whose reader took something last at `progress_ns`
 * (CLOCK_MONOTONIC; 0: not since), is to leave what is queued. */
bool dismissal_is_due(pid_t program, uint64_t progress_ns);

/* Runs on: helper. AS-safe: yes. Blocks: no. */
#endif
