// SPDX-License-Identifier: MIT
/* Clocks without libc; async-signal-safe. */
#ifndef PIPESHIM_BASE_CLOCK_H
#define PIPESHIM_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "base/raw_syscall.h"

enum { NS_PER_US = 1000, NS_PER_MS = 1000 * 1000, NS_PER_S = 1000 * 1000 * 1000 };

static inline uint64_t clock_read_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    raw_syscall(SYS_clock_gettime, clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_monotonic_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

static inline uint64_t clock_realtime_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
