// SPDX-License-Identifier: MIT
#include "cli/diagnose/asleep.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "kernel/proc_reader.h"

enum { CPUS = 8192 };

/* When the thread last ran, in ns of its CPU's clock; 0: not known. */
static uint64_t last_ran_ns(int pid, int tid)
{
    static const char name[] = "se.exec_start";
    char text[4096];
    if (proc_read_start_of(pid, tid, "sched", text, sizeof text) <= 0)
        return 0;
    char *at = strstr(text, name);
    at = at ? strchr(at, ':') : NULL;
    if (!at)
        return 0;
    char *end;
    unsigned long long milliseconds = strtoull(at + 1, &end, 10), fraction = 0;
    if (*end == '.')
        fraction = strtoull(end + 1, NULL, 10); /* six digits */
    return milliseconds * NS_PER_MS + fraction;
}

/* The CPU on which it did (the 39th field of stat); -1: not known. */
static int last_cpu(int pid, int tid)
{
    enum { CPU_FIELD = 39, FIRST_AFTER_NAME = 3 };
    char text[1024];
    if (proc_read_of(pid, tid, "stat", text, sizeof text) <= 0)
        return -1;
    const char *at = strrchr(text, ')');
    for (int field = FIRST_AFTER_NAME - 1; at && field < CPU_FIELD; field++)
        at = strchr(at + 1, ' ');
    return at ? (int)strtol(at + 1, NULL, 10) : -1;
}

static bool go_to(int cpu, cpu_set_t *only)
{
    size_t size = CPU_ALLOC_SIZE(CPUS);
    CPU_ZERO_S(size, only);
    CPU_SET_S((size_t)cpu, size, only);
    return sched_setaffinity(0, size, only) == 0;
}

/* The caller's own clock there; it has just begun to run. */
static uint64_t now_on(int cpu)
{
    size_t size = CPU_ALLOC_SIZE(CPUS);
    cpu_set_t *before = CPU_ALLOC(CPUS), *only = CPU_ALLOC(CPUS);
    uint64_t now = 0;
    if (before && only && cpu < CPUS && sched_getaffinity(0, size, before) == 0 &&
        go_to(cpu, only)) {
        now = last_ran_ns(0, (int)syscall(SYS_gettid));
        sched_setaffinity(0, size, before);
    }
    CPU_FREE(before);
    CPU_FREE(only);
    return now;
}

uint64_t asleep_for_ns(int pid, int tid)
{
    uint64_t ran = last_ran_ns(pid, tid);
    int cpu = ran != 0 ? last_cpu(pid, tid) : -1;
    uint64_t now = cpu >= 0 ? now_on(cpu) : 0;
    /* It has run meanwhile, and perhaps elsewhere. */
    if (now <= ran || last_ran_ns(pid, tid) != ran || last_cpu(pid, tid) != cpu)
        return 0;
    return now - ran;
}

uint64_t finding_lasts_ns(const struct wait_finding *finding)
{
    unsigned count = finding->kind == FINDING_DEADLOCK ? finding->count : 1;
    uint64_t least = UINT64_MAX;
    if (finding->kind == FINDING_BACKLOG || finding->foreseen)
        return 0;
    for (unsigned i = 0; i < count && i < finding->count; i++) {
        uint64_t asleep = asleep_for_ns(finding->chain[i].pid, finding->chain[i].tid);
        least = asleep < least ? asleep : least;
    }
    return least == UINT64_MAX ? 0 : least;
}
