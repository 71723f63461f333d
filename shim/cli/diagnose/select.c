// SPDX-License-Identifier: MIT
#include "cli/diagnose/select.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/glob.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/process_name.h"

struct list {
    int *pids;
    unsigned count, space;
};

static bool add(struct list *list, int pid)
{
    if (list->count == list->space) {
        unsigned space = list->space ? list->space * 2 : 64;
        int *larger = reallocarray(list->pids, space, sizeof *larger);
        if (!larger)
            return false;
        list->pids = larger;
        list->space = space;
    }
    list->pids[list->count++] = pid;
    return true;
}

static bool read_stat(int pid, struct stat_line *stat)
{
    char text[512];
    return proc_read_of(pid, 0, "stat", text, sizeof text) > 0 && parse_stat(text, stat);
}

static int *finish(struct list *list, unsigned *count)
{
    *count = list->count;
    if (list->count > 0)
        return list->pids;
    free(list->pids);
    return NULL;
}

static bool is_listed(const struct list *list, int pid)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (list->pids[i] == pid)
            return true;
    }
    return false;
}

/* A process of the library's own that has ended (report/log_writer.c). A program that has no
 * watchdog yet keeps it until its next line of log: there is nothing to tell of it. */
static bool is_ended_companion(const struct stat_line *stat)
{
    static const char prefix[] = "pipeshim-";
    return stat->state == 'Z' && strncmp(stat->comm, prefix, sizeof prefix - 1) == 0;
}

int *find_tree(int root, unsigned *count)
{
    struct list list = {0};
    struct stat_line stat;
    struct directory processes;
    int pid;
    if (!read_stat(root, &stat) || !add(&list, root))
        return finish(&list, count);
    /* A child's pid may be smaller than its parent's, once they have wrapped round. */
    for (unsigned before = 0; before != list.count;) {
        before = list.count;
        if (directory_open(&processes, "/proc") < 0)
            break;
        while (directory_next_number(&processes, &pid, NULL)) {
            if (read_stat(pid, &stat) && !is_ended_companion(&stat) &&
                is_listed(&list, stat.parent) && !is_listed(&list, pid))
                add(&list, pid);
        }
        directory_close(&processes);
    }
    return finish(&list, count);
}

int *find_by_name(const char *glob, unsigned *count)
{
    struct list list = {0};
    struct directory processes;
    int pid;
    if (directory_open(&processes, "/proc") < 0)
        return finish(&list, count);
    while (directory_next_number(&processes, &pid, NULL)) {
        struct stat_line stat;
        char name[PROCESS_NAME_LIMIT];
        if (pid == getpid() || !read_stat(pid, &stat) || stat.kernel_thread)
            continue;
        process_name(pid, stat.comm, name);
        if (glob_list_match(glob, stat.comm) || glob_list_match(glob, name))
            add(&list, pid);
    }
    directory_close(&processes);
    return finish(&list, count);
}
