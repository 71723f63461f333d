// SPDX-License-Identifier: MIT
#include "watch/context.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/object_reader.h"
#include "process/life.h"
#include "report/log.h"
#include "watch/seccomp.h"

/* child: kept, until its own watchdog begins */
static struct memory_reader memory;
static uint64_t smallest;         /* threshold; 0: to be found out. child: kept, as the settings */
static unsigned permitted_access; /* ACCESS_…: what a seccomp filter leaves */

void context_begin(void)
{
    int pid = atomic_load(&life->pid);
    unsigned forbidden = seccomp_forbidden();
    memory = memory_reader_process(pid);
    permitted_access = ACCESS_PROC | (forbidden & FORBIDS_BORROWING ? 0 : ACCESS_BORROW) |
                       (forbidden & FORBIDS_SOCKETS ? 0 : ACCESS_SOCKET) |
                       (forbidden & FORBIDS_MEMORY ? 0 : ACCESS_MEMORY);
    log_borrows(!(forbidden & FORBIDS_BORROWING));
    if (forbidden & FORBIDS_MEMORY) {
        /* Kept in the watchdog's own fd table, for as long as that thread lives. */
        long fd = raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC);
        memory = memory_reader_file((int)fd);
    }
}

unsigned context_permitted_access(void)
{
    return permitted_access;
}

const struct memory_reader *context_memory(void)
{
    return &memory;
}

uint64_t context_threshold_ns(enum call_class class)
{
    return settings_threshold_ns(&settings, class);
}

uint64_t context_lag_threshold_ns(void)
{
    return settings_threshold_ns(&settings, CLASS_CPU);
}

uint64_t context_due_ns(enum call_id id)
{
    enum call_class class = call_describe(id)->class;
    return class == CLASS_POLL ? context_smallest_threshold_ns() : context_threshold_ns(class);
}

void context_settings_changed(void)
{
    smallest = 0;
}

uint64_t context_smallest_threshold_ns(void)
{
    if (smallest == 0) {
        smallest = UINT64_MAX;
        for (int class = 0; class < CLASS_COUNT; class ++)
            if (settings_threshold_ns(&settings, (enum call_class) class) < smallest)
                smallest = settings_threshold_ns(&settings, (enum call_class) class);
        if (context_lag_threshold_ns() < smallest)
            smallest = context_lag_threshold_ns();
        if (smallest < NS_PER_MS)
            smallest = NS_PER_MS;
    }
    return smallest;
}

uint64_t context_steady_interval_ns(void)
{
    return context_smallest_threshold_ns() * 2 / 3;
}
