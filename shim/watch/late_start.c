// SPDX-License-Identifier: MIT
#include "watch/late_start.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"
#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "kernel/inherited_filter.h"
#include "process/life.h"

enum { PATIENCE_NS = 50 * NS_PER_MS };

static void (*begin_here)(void); /* child: constant */

/* The process in which a thread begins; child: kept, a forked child knows that it is another one */
static _Atomic int32_t beginner;

void late_start_prepare(void (*begin)(void))
{
    begin_here = begin;
    life_postpone();
}

static void begin(void *of)
{
    const struct inherited_filter *filter = of;
    inherited_filter_accept(filter);
    begin_here();
}

/* With all signals blocked: a handler on this thread would wait for what only this thread ends. A
 * fork in the midst leaves its parent's number. */
static void begin_once(const struct inherited_filter *filter)
{
    int32_t pid = (int32_t)raw_syscall(SYS_getpid);
    struct timespec moment = {0, 50L * NS_PER_US};
    uint64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
    while (life_is_postponed() && clock_monotonic_ns() < deadline) {
        int32_t who = atomic_load(&beginner);
        if (who == pid)
            raw_syscall(SYS_nanosleep, &moment, 0);
        else if (atomic_compare_exchange_strong(&beginner, &who, pid))
            on_other_stack(begin, (void *)filter);
    }
}

bool late_start(void)
{
    const uint64_t all = ~0ULL;
    uint64_t before = 0;
    if (!life_is_postponed())
        return life_active();
    struct inherited_filter filter = inherited_filter_read();
    if (filter.verdict == FILTER_UNKNOWN) /* no descriptor is free: the next call asks again */
        return false;
    if (filter.verdict == FILTER_FORBIDS) {
        life_go_inert();
        return false;
    }
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    begin_once(&filter);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    return life_active();
}
