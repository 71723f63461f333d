// SPDX-License-Identifier: MIT
#include "watch/finish.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "process/life.h"
#include "report/log.h"
#include "report/reporter.h"
#include "watch/judge.h"
#include "watch/lag.h"
#include "watch/metrics.h"
#include "watch/refused_writes.h"
#include "watch/thread.h"
#include "watch/tracked_calls.h"

enum { PATIENCE_NS = 50 * NS_PER_MS }; /* for all that hangs, together */

/* The watchdog is stopped first, and then one thread speaks. */
static void end_reports(uint64_t deadline)
{
    watchdog_thread_hold_at_exit(deadline);
    judge_end_all();
    tracked_calls_end_own();
    lag_end_all();
}

static void speak(void *unused)
{
    (void)unused;
    uint64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
    end_reports(deadline);
    refused_writes_finish();
    metrics_finish(deadline);
    report_finish(deadline);
    /* What still runs may hang: libc empties its streams after the destructors. */
    watchdog_thread_release();
}

/* The program may go on, and its watchdog with it. */
static void speak_before_close(void *unused)
{
    (void)unused;
    uint64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
    end_reports(deadline);
    report_finish(deadline);
    watchdog_thread_release();
}

/* A forked child that made no call has nothing to say; a vfork child must not speak. */
static bool may_speak(void)
{
    return life_active() && atomic_load(&life->pid) == (int32_t)raw_syscall(SYS_getpid);
}

void life_before_close(unsigned first, unsigned last)
{
    /* In this order: inert, no system call may be made, and most descriptors that are closed are
     * not the log's. */
    if (life_active() && log_ends_with(first, last) && may_speak() &&
        atomic_load(&life->finished) == 0)
        on_other_stack(speak_before_close, NULL);
}

void life_finish(void)
{
    uint32_t unfinished = 0;
    if (!may_speak())
        return;
    if (!atomic_compare_exchange_strong(&life->finished, &unfinished, 1))
        return;
    on_other_stack(speak, NULL); /* _exit() in a signal handler comes this way */
}
