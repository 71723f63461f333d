// SPDX-License-Identifier: MIT
#include "watch/thread.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/clone_on_stack.h"
#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "kernel/proc_reader.h"
#include "kernel/rights.h"
#include "kernel/task.h"
#include "process/filters.h"
#include "process/life.h"
#include "report/reporter.h"
#include "slots/slot.h"
#include "watch/companions.h"
#include "watch/thread_memory.h"

enum {
    /* A hold that nobody ends (a signal handler jumped out of setuid()) ends by itself. */
    LONGEST_HOLD_S = 10,
    LONGEST_DOUBT_MS = 200,
};

static void (*run)(void); /* what it does; child: constant */

static void take_own_fd_table(void)
{
    /* CLOSE_RANGE_UNSHARE makes a table that lacks the range from the start (Linux 5.9): no fd of
     * the program is ever held twice. Before: unshare, then close what was copied. */
    if (raw_syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE) == 0)
        return;
    if (filters_known() != 0) /* many kill for it */
        return;
    if (raw_syscall(SYS_unshare, CLONE_FILES) != 0)
        return;
    for (int fd = 0; fd < 65536; fd++)
        raw_syscall(SYS_close, fd);
}

/* The last that the watchdog does: whoever starts another one still waits for the kernel, which
 * clears the tid word when this one no longer uses its stack. */
static void watchdog_ended(void)
{
    struct timespec moment = {0, 50L * NS_PER_US};
    uint32_t running = THREAD_RUNNING;
    while (atomic_load(&life->thread_state) == THREAD_STARTING)
        raw_syscall(SYS_nanosleep, &moment, 0);
    if (rights_unreadable())
        atomic_fetch_or(&life->unreported, UNREPORTED_BLIND);
    atomic_compare_exchange_strong(&life->thread_state, &running,
                                   rights_unreadable() ? THREAD_FORBIDDEN : THREAD_NONE);
    slots_reset(); /* after the state: slot_claim() looks at it after it has armed */
}

static int watchdog_entry(void)
{
    take_own_fd_table();
    raw_syscall(SYS_prctl, PR_SET_NAME, "pipeshim", 0, 0, 0);
    run();
    watchdog_ended();
    /* Since Linux 6.1 a process that nobody ended as a whole has the status of its last thread. The
     * first may be on its way out, and its rights unreadable, while this one has not seen that
     * nobody is left. One that was asked to end makes no more calls: that one's status is known. */
    bool asked = atomic_load(&life->stop) != 0 || atomic_load(&life->leave) != 0;
    return rights_nobody_left() || !asked ? task_first_exit_status()
                                          : (int)atomic_load(&life->exit_status);
}

static uint64_t block_all_signals(void)
{
    uint64_t all = ~0ULL;
    uint64_t before = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    return before;
}

static bool clone_watchdog(void)
{
    struct thread_memory memory;
    if (!thread_memory_take(&memory))
        return false;
    atomic_store(&life->stop, 0);
    atomic_store(&life->leave, 0);
    long tid = clone_on_stack(
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
            CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
        memory.stack_top, &life->watchdog_tid, memory.thread_pointer, watchdog_entry);
    return tid > 0;
}

void watchdog_thread_prepare(void (*function)(void))
{
    run = function;
}

static bool may_start(void)
{
    if (atomic_load(&life->watchdog_tid) != 0) /* the one before still uses its stack */
        return false;
    uint64_t held_until = atomic_load(&life->held_until);
    return held_until == 0 || clock_monotonic_ns() >= held_until;
}

/* With all signals blocked: a handler on this thread that wants to stop or start the watchdog would
 * wait for a state that only this thread can leave. */
static bool start(bool *refused)
{
    uint32_t state = THREAD_NONE;
    if (!atomic_compare_exchange_strong(&life->thread_state, &state, THREAD_STARTING))
        return state != THREAD_FORBIDDEN;
    /* Only now: a hold is set before it is looked whether somebody starts. */
    bool permitted = may_start();
    bool made = permitted && clone_watchdog();
    *refused = permitted && !made;
    state = THREAD_STARTING;
    if (!atomic_compare_exchange_strong(&life->thread_state, &state,
                                        made       ? THREAD_RUNNING
                                        : *refused ? THREAD_FORBIDDEN
                                                   : THREAD_NONE)) {
        atomic_store(&life->stop, 1); /* forbidden in the meantime */
        return false;
    }
    return made;
}

/* Without it the watchdog could neither see anything nor prove its rights to say so; the program's
 * own thread can say it, before it gets stuck. In the /proc of another PID namespace (`unshare -p`
 * without a new one) threads have other numbers. */
__attribute__((noinline)) static bool is_in_proc(void) /* its path is off the stack again */
{
    char path[PROC_PATH_LIMIT];
    struct stat task = {0};
    proc_path(path, 0, (int)raw_syscall(SYS_gettid), "");
    return raw_syscall(SYS_newfstatat, AT_FDCWD, path, &task, 0) == 0;
}

static bool stay_blind(void)
{
    uint32_t none = THREAD_NONE;
    if (atomic_compare_exchange_strong(&life->thread_state, &none, THREAD_FORBIDDEN)) {
        atomic_fetch_or(&life->unreported, UNREPORTED_BLIND);
        watchdog_thread_report();
    }
    return false;
}

bool watchdog_thread_start(void)
{
    uint32_t state = atomic_load(&life->thread_state);
    bool refused = false;
    if (state != THREAD_NONE)
        return state != THREAD_FORBIDDEN;
    if (!may_start())
        return false;
    if (!is_in_proc())
        return stay_blind();
    uint64_t before = block_all_signals();
    bool runs = start(&refused);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    if (refused) {
        atomic_fetch_or(&life->unreported, UNREPORTED_REFUSED);
        watchdog_thread_report();
    }
    return runs;
}

/* True once the kernel no longer counts it: it clears the tid word before it takes the thread out
 * of its group, and unshare() counts the group. */
static bool wait_until_gone(int tid, uint64_t deadline)
{
    struct timespec moment = {0, 50L * NS_PER_US};
    while (raw_syscall(SYS_tgkill, atomic_load(&life->pid), tid, 0) == 0) {
        if (clock_monotonic_ns() > deadline)
            return false;
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
    return true;
}

bool watchdog_thread_stop(bool for_ever, unsigned patience_ms)
{
    struct timespec moment = {0, 50L * NS_PER_US};
    uint64_t deadline = clock_monotonic_ns() + (uint64_t)patience_ms * NS_PER_MS;
    /* Another thread is at it, see start(): a matter of some 30 us. */
    while (atomic_load(&life->thread_state) == THREAD_STARTING && clock_monotonic_ns() < deadline)
        raw_syscall(SYS_nanosleep, &moment, 0);
    if (for_ever)
        atomic_store(&life->thread_state, THREAD_FORBIDDEN);
    int tid = atomic_load(&life->watchdog_tid);
    if (tid == 0)
        return atomic_load(&life->thread_state) != THREAD_STARTING;
    atomic_store(&life->stop, 1);
    watchdog_thread_wake();
    return wait_until_gone(tid, deadline);
}

static const struct {
    uint32_t what;
    const char *line;
} unreported_lines[] = {
    {UNREPORTED_LINGERED,
     "the kernel held the watchdog in a call (a file system that hangs?) when the program changed "
     "its rights; expected it to end within 2 s; it has the rights of before until that call "
     "returns, and does nothing more with them but end"},
    {UNREPORTED_BLIND, "the watchdog cannot find this program's threads in /proc (a chroot without "
                       "it, one of another "
                       "PID namespace, a Landlock domain?); expected them under /proc/self/task: "
                       "without them nothing "
                       "is known of the program; this process is not watched from here on"},
    {UNREPORTED_REFUSED,
     "the kernel refused a watchdog thread; expected clone() to be allowed and within "
     "RLIMIT_NPROC; this process is not watched"},
};

/* What cannot be written now stays unreported until the next call: the log may be what hangs. */
static void report_unreported(void *unused)
{
    (void)unused;
    uint32_t unreported = atomic_exchange(&life->unreported, 0);
    for (unsigned i = 0; i < sizeof unreported_lines / sizeof *unreported_lines; i++)
        if ((unreported & unreported_lines[i].what) && !report_line(unreported_lines[i].line))
            atomic_fetch_or(&life->unreported, unreported_lines[i].what);
}

void watchdog_thread_report(void)
{
    on_other_stack(report_unreported, NULL); /* a signal handler's call may come this way */
}

bool watchdog_thread_hold(void)
{
    atomic_store(&life->held_until, clock_monotonic_ns() + (uint64_t)LONGEST_HOLD_S * NS_PER_S);
    bool stopped = watchdog_thread_stop(false, LONGEST_STOP_MS);
    if (!stopped) {
        atomic_fetch_or(&life->unreported, UNREPORTED_LINGERED);
        watchdog_thread_report();
    }
    companions_stop(); /* last: both may have made one */
    return stopped;
}

void watchdog_thread_hold_at_exit(uint64_t deadline)
{
    enum { STARVED_FOR_NS = 2 * (uint64_t)NS_PER_S, MOMENT_NS = 20 * NS_PER_MS };
    struct timespec moment = {0, 50L * NS_PER_US};
    uint64_t last = deadline + STARVED_FOR_NS;
    atomic_store(&life->held_until, clock_monotonic_ns() + (uint64_t)LONGEST_HOLD_S * NS_PER_S);
    while (atomic_load(&life->thread_state) == THREAD_STARTING && clock_monotonic_ns() < deadline)
        raw_syscall(SYS_nanosleep, &moment, 0);
    int tid = atomic_load(&life->watchdog_tid);
    if (tid == 0)
        return;
    atomic_store(&life->leave, 1);
    watchdog_thread_wake();
    while (!wait_until_gone(tid, deadline)) {
        if (!task_wants_cpu(tid) || deadline >= last) {
            atomic_store(&life->stop, 1);
            return;
        }
        deadline = clock_monotonic_ns() + MOMENT_NS;
    }
}

void watchdog_thread_release(void)
{
    atomic_store(&life->held_until, 0);
}

void watchdog_thread_doubt(void)
{
    atomic_store(&life->doubted_until,
                 clock_monotonic_ns() + (uint64_t)LONGEST_DOUBT_MS * NS_PER_MS);
    watchdog_thread_wake();
}

void watchdog_thread_wake(void)
{
    atomic_store(&life->wake, 1);
    raw_syscall(SYS_futex, &life->wake, FUTEX_WAKE_PRIVATE, 1);
}
