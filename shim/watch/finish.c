// SPDX-License-Identifier: MIT
#include "watch/finish.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/judge.h"
#include "watch/lag.h"
#include "watch/metrics.h"
#include "watch/refused_writes.h"
#include "watch/thread.h"

static void speak(void *unused)
{
    enum { PATIENCE_NS = 50 * NS_PER_MS }; /* for all that hangs, together */
    (void)unused;
    uint64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
    watchdog_thread_hold_at_exit(deadline);
    judge_end_all();
    lag_end_all();
    refused_writes_finish();
    metrics_finish(deadline);
    report_finish(deadline);
    /* What still runs may hang: libc empties its streams behind the destructors. */
    watchdog_thread_release();
}

void life_finish(void)
{
    uint32_t unfinished = 0;
    /* A forked child that made no call has nothing to say; a vfork child must not speak. */
    if (!life_active() || atomic_load(&life->pid) != (int32_t)raw_syscall(SYS_getpid))
        return;
    if (!atomic_compare_exchange_strong(&life->finished, &unfinished, 1))
        return;
    on_other_stack(speak, NULL); /* _exit() in a signal handler comes this way */
}
