// SPDX-License-Identifier: MIT
#include "cli/diagnose/origin.h"
#include "cli/user_name.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

static void read_command(int pid, char *command, size_t capacity)
{
    long length = proc_read_of(pid, 0, "cmdline", command, capacity);
    for (long i = 0; i < length - 1; i++) {
        if (command[i] == '\0')
            command[i] = ' ';
    }
}

static bool read_start(int pid, struct process_origin *origin)
{
    char text[512];
    struct stat_line stat;
    struct timespec boot, now;
    if (proc_read_of(pid, 0, "stat", text, sizeof text) <= 0 || !parse_stat(text, &stat))
        return false;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &now);
    origin->age_s = (double)boot.tv_sec + (double)boot.tv_nsec / 1e9 -
                    (double)stat.start_ticks / (double)sysconf(_SC_CLK_TCK);
    time_t start = now.tv_sec - (time_t)origin->age_s;
    struct tm local;
    localtime_r(&start, &local);
    strftime(origin->since, sizeof origin->since, "%Y-%m-%d %H:%M:%S", &local);
    return true;
}

bool process_origin_read(int pid, struct process_origin *origin)
{
    char path[64];
    struct stat status;
    memset(origin, 0, sizeof *origin);
    snprintf(path, sizeof path, "/proc/%d", pid);
    if (!read_start(pid, origin) || stat(path, &status) < 0)
        return false;
    const char *owner = user_name(status.st_uid);
    if (owner)
        snprintf(origin->user, sizeof origin->user, "%s", owner);
    else
        snprintf(origin->user, sizeof origin->user, "%u", (unsigned)status.st_uid);
    read_command(pid, origin->command, sizeof origin->command);
    return true;
}
