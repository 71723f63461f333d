// SPDX-License-Identifier: MIT
#include "kernel/child_wait.h"

#include <limits.h>

#include "kernel/proc_reader.h"
#include "process/life.h"

/* Pids with a space after each. */
long children_of_thread(int pid, int tid, bool (*visit)(void *context, int child), void *context)
{
    char text[1024];
    int child = 0;
    long length = proc_read_start_of(pid, tid, "children", text, sizeof text);
    if (length < 0)
        return length;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at >= '0' && *at <= '9' && child < INT_MAX / 10) {
            child = child * 10 + (*at - '0');
        } else if (child != 0) {
            if (!visit(context, child))
                return 0;
            child = 0;
        }
    }
    return length == (long)sizeof text - 1;
}

static bool take_first(void *context, int child)
{
    *(int *)context = child;
    return false;
}

int child_first(int tid)
{
    int child = 0;
    children_of_thread(atomic_load(&life->pid), tid, take_first, &child);
    return child;
}
