// SPDX-License-Identifier: MIT
#include "watch/child.h"

#include <stddef.h>

#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "drain/drain.h"
#include "process/life.h"
#include "report/reporter.h"
#include "slots/slot.h"
#include "watch/action.h"
#include "watch/action_drain.h"
#include "watch/cpu_stacks.h"
#include "watch/deadlock.h"
#include "watch/drain_watch.h"
#include "watch/event_loops.h"
#include "watch/filling.h"
#include "watch/known_peers.h"
#include "watch/lag.h"
#include "watch/late_start.h"
#include "watch/long_waits.h"
#include "watch/look_budget.h"
#include "watch/python_frames.h"
#include "watch/sampler.h"
#include "watch/slow_reader.h"
#include "watch/stdio_fill.h"

static void report_there(void *unused)
{
    (void)unused;
    report_begin_in_child();
}

/* A forked child: all of `life` and of the slots was wiped, what is in other memory was not. */
static void begin_in_child(void)
{
    /* drain */
    drain_begin_in_child();
    /* watch: what only the watchdog uses was left as it was in the middle of a scan */
    event_loops_begin();
    lag_begin();
    sampler_begin();
    long_waits_begin();
    filling_begin();
    stdio_fill_begin();
    slow_reader_begin();
    known_peers_begin();
    look_budget_begin_in_child();
    deadlock_begin();
    action_begin();
    action_drain_begin_in_child();
    cpu_stacks_begin_in_child();
    drain_watch_begin_in_child();
    python_frames_begin_in_child();
    /* report: last, for it may write the child's `start` */
    on_other_stack(report_there, NULL); /* the child's first call may be in a signal handler */
}

bool life_begin(void)
{
    if (!life_active() && !late_start())
        return false;
    int32_t pid = (int32_t)raw_syscall(SYS_getpid);
    int32_t begun = atomic_load(&life->pid);
    if (begun != 0)
        return begun == pid;
    slots_begin_in_child(); /* whoever sees that it has begun may take a slot */
    if (atomic_compare_exchange_strong(&life->pid, &begun, pid))
        begin_in_child();
    return true;
}
