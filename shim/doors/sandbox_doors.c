// SPDX-License-Identifier: MIT
#include "doors/sandbox_doors.h"

#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "doors/door.h"
#include "doors/drain_doors.h"
#include "doors/real.h"
#include "doors/rights_doors.h"
#include "drain/drain.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/child.h"
#include "watch/late_start.h"
#include "watch/seccomp.h"
#include "watch/thread.h"

/* What has been done before the kernel is asked, and what is to be done afterwards. */
struct change {
    struct filter_request request;
    bool foreign; /* a vfork child: the memory is its parent's, who has nothing to do with it */
    bool announced;
    enum watchdog_hold hold;
};

/* The last that can be said under such a filter. A child that has made no call yet begins with it.
 */
static void report_forbidden(void *of)
{
    const struct filter_request *request = of;
    if (!request->allows_draining && drain_enabled)
        report_line("the program installs a seccomp filter that forbids system calls which the "
                    "drainer needs; expected pwritev2, clone, fstat and fcntl allowed; writes to "
                    "full pipes block from here on");
    if (!request->allows_watching)
        report_line("the program installs a seccomp filter that forbids system calls which the "
                    "watchdog needs; expected openat, read, write, futex and clone allowed; this "
                    "process is not watched from here on");
}

/* No other thread may be between two system calls of ours when the filter becomes its own. One that
 * a handler has jumped out of counts for ever: hence the bound. */
static void bar_claims(void)
{
    enum { LONGEST_CLAIM_MS = 50 };
    struct timespec moment = {0, 50L * NS_PER_US};
    uint64_t deadline = clock_monotonic_ns() + (uint64_t)LONGEST_CLAIM_MS * NS_PER_MS;
    atomic_store(&life->claims_barred, 1);
    while (atomic_load(&life->claiming) != 0 && clock_monotonic_ns() < deadline)
        raw_syscall(SYS_nanosleep, &moment, 0);
}

static void report_refusal(void *unused)
{
    (void)unused;
    report_line("the kernel did not take that seccomp filter: all goes on as before");
}

static void before(struct change *change)
{
    const struct filter_request *request = &change->request;
    if (!request->is_one)
        return;
    int32_t begun = atomic_load(&life->pid);
    change->foreign = begun != 0 && begun != (int32_t)raw_syscall(SYS_getpid);
    if (change->foreign || !request->is_likely)
        return;
    bool draining_ends = drain_enabled && !request->allows_draining;
    if (draining_ends && begun != 0)
        drain_doors_finish(false);
    if (!request->allows_watching || draining_ends) {
        life_begin();
        on_other_stack(report_forbidden, (void *)request); /* perhaps in a signal handler */
        change->announced = true;
    }
    change->hold = hold_watchdog();
    if (request->of_all_threads && !request->allows_watching)
        bar_claims();
}

/* Not one system call may be made before it is known that the filter allows it. */
static void take_effect(const struct change *change)
{
    const struct filter_request *request = &change->request;
    if (!request->allows_watching)
        life_go_inert();
    if (change->foreign)
        return;
    seccomp_taken(request);
    if (!request->allows_watching) {
        atomic_store(&life->thread_state, THREAD_FORBIDDEN);
        atomic_store(&life->stop, 1); /* it is gone, unless nobody could know of this */
    }
    if (!request->allows_draining)
        drain_stop();
}

static void after(const struct change *change, bool taken)
{
    if (taken && change->request.is_one)
        take_effect(change);
    release_watchdog(change->hold);
    if (taken && !change->request.allows_watching)
        return;
    if (!change->foreign)
        atomic_store(&life->claims_barred, 0);
    if (change->hold == HELD_BACK)
        watchdog_thread_start(); /* somebody may be in a call that it looks at */
    if (change->announced && !taken)
        on_other_stack(report_refusal, NULL);
}

static int set_seccomp(unsigned long mode, unsigned long program, unsigned long c, unsigned long d)
{
    struct change change = {0};
    if (mode == SECCOMP_MODE_STRICT)
        change.request = seccomp_request_strict();
    else if (mode == SECCOMP_MODE_FILTER)
        change.request = seccomp_request(SECCOMP_SET_MODE_FILTER, 0, (const void *)program);
    before(&change);
    int result = real_prctl(PR_SET_SECCOMP, mode, program, c, d);
    after(&change, result == 0);
    return result;
}

DOOR(int, prctl, (int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d))
{
    BOUND(prctl);
    if (option == PR_SET_SECCOMP && late_start())
        return set_seccomp(a, b, c, d);
    enum watchdog_hold hold = prctl_changes_rights(option) ? hold_watchdog() : NOT_HELD;
    if (option == PR_SET_TSC && a == PR_TSC_SIGSEGV)
        ticks_are_forbidden = true;
    int result = real_prctl(option, a, b, c, d);
    release_watchdog(hold);
    return result;
}

long sandbox_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    return door_prctl(option, a, b, c, d);
}

long sandbox_seccomp(unsigned operation, unsigned flags, void *program)
{
    struct change change = {0};
    if (late_start())
        change.request = seccomp_request(operation, flags, program);
    before(&change);
    long result = real_syscall(SYS_seccomp, operation, flags, program);
    after(&change, seccomp_was_taken(flags, result));
    return result;
}
