// SPDX-License-Identifier: MIT
#include "failing_calls.h"

#include <dirent.h>
#include <stdlib.h>

system_call *_Atomic replaced_calls[REPLACEABLE_CALLS];

static unsigned seen, fails_at, failed;
static int fails_with;
static long tested;  /* the process */
static long refused; /* number of the last call that failed */

/* Also in a child that shares the memory (CLONE_VM); a forked one has counters of its own, and goes
 * on undisturbed. */
static bool is_tested(void)
{
    return raw_syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0) == tested ||
           raw_syscall6(SYS_getppid, 0, 0, 0, 0, 0, 0) == tested;
}

static long fail_or_make(long number, long a, long b, long c, long d, long e, long f)
{
    enum { ONE_ENTRY = 40 };
    if (number == SYS_getdents64 && c > ONE_ENTRY)
        c = ONE_ENTRY; /* so that a refusal comes in the midst of a list */
    if (!is_tested())
        return raw_syscall6(number, a, b, c, d, e, f);
    seen++;
    if (fails_at == 0 || seen == fails_at) {
        failed++;
        refused = number;
        return -fails_with;
    }
    return raw_syscall6(number, a, b, c, d, e, f);
}

/* What a kernel does whatever it is short of. */
static bool never_fails(long number)
{
    static const long calls[] = {SYS_close,  SYS_exit,   SYS_exit_group,     SYS_getpid,
                                 SYS_gettid, SYS_munmap, SYS_rt_sigprocmask, SYS_clock_gettime};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i] == number)
            return true;
    return false;
}

void calls_fail(long number, unsigned nth, int error)
{
    calls_restore();
    seen = failed = 0;
    fails_at = nth;
    tested = raw_syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0);
    fails_with = error;
    for (long i = 0; i < REPLACEABLE_CALLS; i++)
        if (number == i || (number == ANY_CALL && !never_fails(i)))
            replaced_calls[i] = fail_or_make;
}

void calls_replace(long number, system_call *other)
{
    replaced_calls[number] = other;
}

unsigned calls_seen(void)
{
    return seen;
}

bool calls_failed(void)
{
    return failed > 0;
}

long calls_refused(void)
{
    return refused;
}

void calls_restore(void)
{
    for (long i = 0; i < REPLACEABLE_CALLS; i++)
        replaced_calls[i] = NULL;
}

unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}
