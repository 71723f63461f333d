// SPDX-License-Identifier: MIT
#include "watch/sleep.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/raw_syscall.h"
#include "base/valgrind.h"
#include "facts/mailbox.h"
#include "process/filters.h"
#include "process/life.h"
#include "watch/context.h"

/* Of <linux/futex.h> and <asm/unistd.h> since Linux 5.16; the number is the same everywhere. */
enum { FUTEX_WAITV = 449, WORD_OF_32_BITS = 2, OF_THIS_PROCESS = 128 };

struct waiter {
    uint64_t value, address;
    uint32_t flags, reserved;
};

enum { WAKE, MAIL, FIRST_THREAD, WAITERS };

static bool is_missing; /* the kernel has no such call; child: kept, it is the same kernel */
/* Whoever may read the library's file may wake all who sleep on it, as often as they listen: a
 * neighbour could keep the watchdogs of all users busy. child: kept, 2 s */
static uint64_t listens_from; /* CLOCK_MONOTONIC, ns: no long sleep before */

void watchdog_note_first_thread(void)
{
    uint64_t address = 0;
    if (filters_known() == 0 && raw_syscall(SYS_prctl, PR_GET_TID_ADDRESS, &address) == 0)
        atomic_store(&life->first_thread_word, address);
}

static bool first_thread_lives(void)
{
    int32_t tid;
    uint64_t address = atomic_load(&life->first_thread_word);
    return address != 0 && memory_read(context_memory(), address, &tid, sizeof tid) &&
           tid == atomic_load(&life->pid);
}

bool watchdog_may_sleep_long(void)
{
    return !is_missing && clock_monotonic_ns() >= listens_from &&
           !runs_on_valgrind() /* it knows no such call, and says so */ &&
           !(filters_forbid() & FORBIDS_LONG_SLEEP) && first_thread_lives();
}

/* The kernel wakes one sleeper only, and pthread_join() may be another. */
static void pass_on(const struct waiter *first_thread)
{
    raw_syscall(SYS_futex, first_thread->address, FUTEX_WAKE, 1);
}

static void sleep_long(uint64_t when)
{
    extern const uint32_t __ehdr_start[] __attribute__((visibility("hidden")));
    int32_t pid = atomic_load(&life->pid);
    const uint32_t *mail = &__ehdr_start[mailbox_word(pid)];
    const struct waiter waiters[WAITERS] = {
        [WAKE] = {0, (uintptr_t)&life->wake, WORD_OF_32_BITS | OF_THIS_PROCESS, 0},
        [MAIL] = {*mail, (uintptr_t)mail, WORD_OF_32_BITS, 0},
        [FIRST_THREAD] = {(uint32_t)pid, atomic_load(&life->first_thread_word), WORD_OF_32_BITS, 0},
    };
    struct timespec end = {(time_t)(when / NS_PER_S), (long)(when % NS_PER_S)};
    long woken = raw_syscall(FUTEX_WAITV, waiters, WAITERS, 0, &end, CLOCK_MONOTONIC);
    if (woken == MAIL)
        listens_from = clock_monotonic_ns() + LONGEST_SLEEP_NS;
    if (woken == FIRST_THREAD || !first_thread_lives())
        pass_on(&waiters[FIRST_THREAD]);
    is_missing |= woken < 0 && woken != -ETIMEDOUT && woken != -EAGAIN && woken != -EINTR;
}

void watchdog_sleep(uint64_t when, uint64_t now)
{
    uint64_t rest = when > now ? when - now : 0;
    struct timespec timeout = {(time_t)(rest / NS_PER_S), (long)(rest % NS_PER_S)};
    if (rest > LONGEST_SLEEP_NS)
        sleep_long(when);
    else
        raw_syscall(SYS_futex, &life->wake, FUTEX_WAIT_PRIVATE, 0, &timeout);
}
