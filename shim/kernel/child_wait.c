// SPDX-License-Identifier: MIT
#include "kernel/child_wait.h"

#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "process/life.h"

bool child_is_ours(int pid)
{
    char text[512];
    struct stat_line line;
    return proc_read_of(pid, 0, "stat", text, sizeof text) > 0 && parse_stat(text, &line) &&
           line.parent == atomic_load(&life->pid);
}

int child_first(int tid)
{
    char text[64];
    int pid = 0;
    proc_read_start_of(atomic_load(&life->pid), tid, "children", text, sizeof text);
    for (const char *at = text; *at >= '0' && *at <= '9'; at++)
        pid = pid * 10 + (*at - '0');
    return pid;
}
