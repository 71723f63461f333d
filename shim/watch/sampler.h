// SPDX-License-Identifier: MIT
/*
 * The net under the doors: every thread's own system call, from /proc/self/task/TID/syscall.
 *
 * It finds what no slot tells — raw system calls, writes that libc makes inside, libraries loaded
 * with RTLD_DEEPBIND or dlmopen — and the threads that wait for the lock of a FILE behind a stuck
 * write. It costs about 5 us a thread that has run since the last look, one where it has not
 * (kernel/own_threads.h), and so looks seldom: twice in a threshold while the process does
 * anything, more seldom when it is idle or has very many threads. A thread whose slot has moved
 * since the last look is in no call for long, and is left out; when all are such, or no thread has
 * run, nothing is opened at all.
 */
#ifndef PIPESHIM_WATCH_SAMPLER_H
#define PIPESHIM_WATCH_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

void sampler_begin(void);

/* Looks at all threads if it is time to; returns when to call again (CLOCK_MONOTONIC, ns).
 * `activity`: the slots moved; `stuck`: a report on a slot is open. For the watchdog thread. */
uint64_t sampler_scan(uint64_t now, bool activity, bool stuck);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
