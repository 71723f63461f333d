// SPDX-License-Identifier: MIT
#include "cli/diagnose/asleep.h"

#include <sched.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

enum { CPUS = 8192 };

/* When the thread last ran, in ns of its CPU's clock; 0: not known. */
static uint64_t last_ran_ns(int pid, int tid)
{
    char text[4096];
    uint64_t ns;
    return proc_read_start_of(pid, tid, "sched", text, sizeof text) > 0 &&
                   parse_exec_start(text, &ns)
               ? ns
               : 0;
}

/* The CPU on which it did; -1: not known. */
static int last_cpu(int pid, int tid)
{
    char text[1024];
    struct stat_line stat;
    return proc_read_of(pid, tid, "stat", text, sizeof text) > 0 && parse_stat(text, &stat)
               ? stat.cpu
               : -1;
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

/* 0: the kernel does not say it. */
static uint64_t asleep_all_ns(const struct wait_finding *finding)
{
    unsigned count = finding->kind == FINDING_DEADLOCK ? finding->count : 1;
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < count && i < finding->count; i++) {
        uint64_t asleep = asleep_for_ns(finding->chain[i].pid, finding->chain[i].tid);
        least = asleep < least ? asleep : least;
    }
    return least == UINT64_MAX ? 0 : least;
}

uint64_t finding_lasts_ns(const struct wait_finding *finding, uint64_t apart_ns)
{
    if (finding->kind == FINDING_BACKLOG || finding->foreseen)
        return 0;
    uint64_t asleep = asleep_all_ns(finding);
    return asleep < apart_ns ? apart_ns : asleep;
}
