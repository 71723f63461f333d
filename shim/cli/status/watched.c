// SPDX-License-Identifier: MIT
#include "cli/status/watched.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "kernel/proc_reader.h"

/* Field 22 of proc(5)'s stat, counted from behind the name, which may hold anything. 0: gone. */
static uint64_t start_of(int pid)
{
    enum { STATE_FIELD = 3, START_FIELD = 22 };
    char text[1024];
    if (proc_read_start_of(pid, 0, "stat", text, sizeof text) <= 0)
        return 0;
    const char *at = strrchr(text, ')');
    for (int field = STATE_FIELD - 1; at && field < START_FIELD; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at ? strtoull(at, NULL, 10) : 0;
}

static void name_process(struct watched *process)
{
    char path[PROC_PATH_LIMIT], text[4096], comm[STATUS_NAME + 1] = "";
    struct stat status;
    if (proc_read_of(process->pid, 0, "comm", comm, sizeof comm) > 0)
        comm[strcspn(comm, "\n")] = '\0';
    process_name(process->pid, comm, process->name);
    proc_path(path, process->pid, 0, "exe");
    const char *last = comm;
    if (proc_link(AT_FDCWD, path, text, sizeof text) > 0)
        last = strrchr(text, '/') ? strrchr(text, '/') + 1 : text;
    snprintf(process->executable, sizeof process->executable, "%.*s", PROCESS_NAME_LIMIT - 1, last);
    proc_path(path, process->pid, 0, "");
    process->user = stat(path, &status) == 0 ? status.st_uid : 0;
}

static struct watched *find(struct watched_list *list, int pid, uint64_t start)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->processes[i]->pid == pid && list->processes[i]->start == start)
            return list->processes[i];
    return NULL;
}

static struct watched *add(struct watched_list *list, int pid, uint64_t start)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        struct watched **larger = reallocarray(list->processes, capacity, sizeof(struct watched *));
        if (!larger)
            return NULL;
        list->processes = larger;
        list->capacity = capacity;
    }
    struct watched *process = calloc(1, sizeof *process);
    if (!process)
        return NULL;
    process->pid = pid;
    process->start = start;
    process->found = process->state = PAGE_NO_LIBRARY;
    list->processes[list->count++] = process;
    return process;
}

static void forget_the_gone(struct watched_list *list, void (*gone)(const struct watched *, void *),
                            void *context)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct watched *process = list->processes[i];
        if (process->seen) {
            list->processes[kept++] = process;
            continue;
        }
        if (gone && process->found == PAGE_READ)
            gone(process, context);
        free(process);
    }
    list->count = kept;
}

/* A process that runs no library now may be about to: ld.so, or an exec, is at it. Its list of
 * mappings is read again ever more seldom. */
static bool is_to_be_tried(struct watched *process)
{
    enum { SELDOM = 16 };
    unsigned scans = process->scans++;
    return scans % SELDOM == 0 || (scans < SELDOM && (scans & (scans - 1)) == 0);
}

/* An exec replaces the program and keeps pid and start: the page must still be one. */
static void look_at(struct watched *process)
{
    struct status_page page;
    if (process->found == PAGE_READ) {
        enum page_state state = page_read(process->pid, process->address, &page);
        if (state == PAGE_READ)
            process->page = page;
        process->state = state;
        if (state == PAGE_READ || state == PAGE_NOT_BEGUN)
            return;
    } else if (!is_to_be_tried(process)) {
        return;
    }
    process->found = process->state = page_find(process->pid, &process->address);
    if (process->found == PAGE_READ) {
        name_process(process);
        process->state = page_read(process->pid, process->address, &page);
        if (process->state == PAGE_READ)
            process->page = page;
    }
}

bool watched_refresh(struct watched_list *list,
                     void (*gone)(const struct watched *process, void *context), void *context)
{
    struct directory directory;
    int pid;
    for (size_t i = 0; i < list->count; i++)
        list->processes[i]->seen = false;
    list->unreadable = 0;
    if (directory_open(&directory, "/proc") != 0)
        return false;
    bool whole = true;
    while (directory_next_number(&directory, &pid, NULL)) {
        uint64_t start = start_of(pid);
        struct watched *process = start ? find(list, pid, start) : NULL;
        if (start && !process)
            whole &= (process = add(list, pid, start)) != NULL;
        if (!process)
            continue;
        process->seen = true;
        look_at(process);
        list->unreadable += process->state == PAGE_NOT_PERMITTED;
    }
    directory_close(&directory);
    list->now_ns = clock_monotonic_ns();
    forget_the_gone(list, gone, context);
    return whole;
}

void watched_free(struct watched_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->processes[i]);
    free(list->processes);
    *list = (struct watched_list){0};
}
