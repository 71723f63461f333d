// SPDX-License-Identifier: MIT
#include "failing_calls.h"

#include <dirent.h>
#include <stdlib.h>

system_call *_Atomic replaced_calls[REPLACEABLE_CALLS];

static unsigned seen, fails_at, failed;
static int fails_with;
static long tested; /* the process */

/* Also in a child that shares the memory (CLONE_VM); a forked one has counters of its own, and goes
 * on undisturbed. */
static bool is_tested(void)
{
    return raw_syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0) == tested ||
           raw_syscall6(SYS_getppid, 0, 0, 0, 0, 0, 0) == tested;
}

static long fail_or_make(long number, long a, long b, long c, long d, long e, long f)
{
    if (!is_tested())
        return raw_syscall6(number, a, b, c, d, e, f);
    seen++;
    if (fails_at == 0 || seen == fails_at) {
        failed++;
        return -fails_with;
    }
    return raw_syscall6(number, a, b, c, d, e, f);
}

void calls_fail(long number, unsigned nth, int error)
{
    calls_restore();
    seen = failed = 0;
    fails_at = nth;
    tested = raw_syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0);
    fails_with = error;
    for (long i = 0; i < REPLACEABLE_CALLS; i++)
        if (number == ANY_CALL || number == i)
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
