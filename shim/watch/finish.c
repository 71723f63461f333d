// SPDX-License-Identifier: MIT
#include "watch/finish.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/drain_watch.h"
#include "watch/judge.h"
#include "watch/lag.h"
#include "watch/metrics.h"
#include "watch/thread.h"

enum { PATIENCE_NS = 50 * NS_PER_MS }; /* for all that hangs, together */

static void speak(void *unused)
{
    (void)unused;
    uint64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
    watchdog_thread_hold_at_exit(deadline);
    drain_watch_end();
    judge_end_all();
    lag_end_all();
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

static void speak_of_queue(void *unused)
{
    (void)unused;
    watchdog_thread_hold_at_exit(clock_monotonic_ns() + PATIENCE_NS);
    drain_watch_end();
    watchdog_thread_release();
}

void life_report_queue(void)
{
    bool ran = atomic_load(&life->watchdog_tid) != 0;
    on_other_stack(speak_of_queue, NULL);
    if (ran)
        watchdog_thread_start(); /* the exec may fail, and somebody be in a call that it looks at */
}
