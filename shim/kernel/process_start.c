// SPDX-License-Identifier: MIT
#include "kernel/process_start.h"

#include <time.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

#define TICK_NS (NS_PER_S / 100) /* USER_HZ, proc(5) */

int64_t process_start_ns(int pid)
{
    char text[512];
    struct stat_line stat;
    struct timespec boot = {0};
    if (proc_read_of(pid, 0, "stat", text, sizeof text) <= 0 || !parse_stat(text, &stat) ||
        raw_syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &boot) < 0)
        return 0;
    int64_t booted = (int64_t)clock_realtime_ns() - boot.tv_sec * (int64_t)NS_PER_S - boot.tv_nsec;
    return booted + (int64_t)(stat.start_ticks * TICK_NS);
}

int64_t file_time_ns(int64_t seconds, int64_t nanoseconds)
{
    const int64_t limit = INT64_MAX / 2 / (int64_t)NS_PER_S;
    if (seconds > limit)
        seconds = limit;
    if (seconds < -limit)
        seconds = -limit;
    return seconds * (int64_t)NS_PER_S + nanoseconds;
}

bool changed_since_start(int64_t mtime_ns, int64_t start_ns)
{
    return mtime_ns > start_ns + (int64_t)(2 * TICK_NS);
}
