// SPDX-License-Identifier: MIT
/* A few instructions that no signal handler may leave by siglongjmp(). */
#ifndef PIPESHIM_DRAIN_SIGNALS_H
#define PIPESHIM_DRAIN_SIGNALS_H

#include <signal.h>
#include <stdint.h>

#include "base/raw_syscall.h"

/* Blocks all signals; what to give to signals_restore(). */
static inline uint64_t signals_block(void)
{
    uint64_t all = ~0ULL;
    uint64_t before = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    return before;
}

static inline void signals_restore(uint64_t before)
{
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
}

/* Runs on: program threads, watchdog. AS-safe: yes. Blocks: no. */
#endif
