// SPDX-License-Identifier: MIT
#include "watch/cpu_stacks.h"

#include "process/life.h"
#include "watch/cpu_events.h"
#include "watch/cpu_timer.h"
#include "watch/seccomp.h"

enum source { SOURCE_UNDECIDED, SOURCE_EVENTS, SOURCE_TIMER, SOURCE_OFF };

/* The watchdog's; what a process may do can change, so each watchdog decides anew. */
static enum source source;

static enum source allowed_source(void)
{
    if (settings_stack_depth(&settings) == 0 || (seccomp_forbidden() & FORBIDS_SAMPLING))
        return SOURCE_OFF;
    return cpu_events_allowed() ? SOURCE_EVENTS : SOURCE_TIMER;
}

const char *cpu_stacks_source(void)
{
    switch (allowed_source()) {
    case SOURCE_EVENTS:
        return "perf_event";
    case SOURCE_TIMER:
        return "timer";
    default:
        return settings_stack_depth(&settings) == 0 ? "off: PIPESHIM_STACK=off"
                                                    : "off: a seccomp filter";
    }
}

void cpu_stacks_reset(void)
{
    source = SOURCE_UNDECIDED;
    cpu_events_reset();
}

void cpu_stacks_begin_in_child(void)
{
    source = SOURCE_UNDECIDED;
    cpu_events_begin_in_child();
    cpu_timer_begin_in_child();
}

void cpu_stacks_stop(void)
{
    cpu_timer_stop_all();
}

bool cpu_stacks_begin(int tid)
{
    if (source == SOURCE_UNDECIDED)
        source = allowed_source();
    if (source == SOURCE_EVENTS) {
        if (cpu_events_begin(tid))
            return true;
        source = SOURCE_TIMER; /* a container's filter answers EPERM whatever the kernel allows */
    }
    return source == SOURCE_TIMER && cpu_timer_begin(tid);
}

bool cpu_stacks_latest(int tid, struct stack_snapshot *snapshot)
{
    if (source == SOURCE_EVENTS)
        return cpu_events_latest(tid, snapshot);
    return source == SOURCE_TIMER && cpu_timer_latest(tid, snapshot);
}

void cpu_stacks_end(int tid)
{
    cpu_events_end(tid);
    cpu_timer_end(tid);
}
