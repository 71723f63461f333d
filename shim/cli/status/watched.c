// SPDX-License-Identifier: MIT
#include "cli/status/watched.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

/* When the process began, in clock ticks. 0: gone. */
static uint64_t start_of(int pid)
{
    char text[1024];
    struct stat_line stat;
    return proc_read_start_of(pid, 0, "stat", text, sizeof text) > 0 && parse_stat(text, &stat)
               ? stat.start_ticks
               : 0;
}

void watched_name(struct watched *process)
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
    if (proc_read_of(process->pid, 0, "cgroup", text, sizeof text) <= 0)
        text[0] = '\0';
    cgroup_parse(text, &process->cgroup);
}

/* The directory lists processes by their number, as the list does but for reused ones: the next one
 * wanted is most often the next one there. */
static struct watched *find(struct watched_list *list, int pid, size_t *cursor)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t at = (*cursor + i) % list->count;
        if (list->processes[at]->pid != pid)
            continue;
        *cursor = at + 1;
        return list->processes[at];
    }
    return NULL;
}

struct watched *watched_find(struct watched_list *list, int pid)
{
    size_t cursor = 0;
    return find(list, pid, &cursor);
}

static struct watched *add(struct watched_list *list, int pid)
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
    process->found = process->state = PAGE_NO_LIBRARY;
    list->processes[list->count++] = process;
    return process;
}

/* What it had counted goes to who keeps it. */
static void end_page(struct watched *process, const struct watched_visitor *visitor)
{
    if (process->page.pid != 0 && visitor && visitor->gone)
        visitor->gone(process, visitor->context);
    process->page.pid = 0;
    process->own_begun_ns = 0;
}

static void forget_the_gone(struct watched_list *list, const struct watched_visitor *visitor)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct watched *process = list->processes[i];
        if (process->seen) {
            list->processes[kept++] = process;
            continue;
        }
        end_page(process, visitor);
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

/* A page that began at another time is of another program (an exec keeps pid and start) or, with a
 * reused pid, of another process. */
static void take_page(struct watched *process, const struct status_page *page,
                      const struct watched_visitor *visitor)
{
    if (process->page.pid != 0 && process->page.begun_ns != page->begun_ns)
        end_page(process, visitor);
    if (process->own_begun_ns != page->begun_ns) {
        /* A forked child that has not begun its own page has a copy of its parent's. */
        if (!page_is_own(process->pid, page)) {
            process->state = PAGE_NOT_BEGUN;
            return;
        }
        process->own_begun_ns = page->begun_ns;
        watched_name(process);
    }
    process->page = *page;
    process->state = PAGE_READ;
}

static void find_page(struct watched *process, const struct watched_visitor *visitor)
{
    struct status_page page;
    uint64_t start = start_of(process->pid);
    if (start != process->start) {
        end_page(process, visitor);
        process->start = start;
    }
    process->found = process->state = page_find(process->pid, &process->address);
    if (process->found == PAGE_NO_LIBRARY)
        end_page(process, visitor); /* an exec without the library */
    if (process->found != PAGE_READ)
        return;
    process->state = page_copy(process->pid, process->address, &page);
    if (process->state == PAGE_READ)
        take_page(process, &page, visitor);
}

static void look(struct watched *process, const struct watched_visitor *visitor)
{
    struct status_page page;
    if (process->found != PAGE_READ) {
        if (is_to_be_tried(process))
            find_page(process, visitor);
        return;
    }
    if (process->state == PAGE_READ && page_is_same(process->pid, process->address, &process->page))
        return;
    enum page_state state = page_copy(process->pid, process->address, &page);
    if (state == PAGE_READ)
        take_page(process, &page, visitor);
    else if (state == PAGE_NOT_BEGUN || state == PAGE_TORN)
        process->state = state;
    else if (state != PAGE_OTHER_VERSION || is_to_be_tried(process))
        find_page(process, visitor); /* an exec, or it is about to end */
}

static void visit(struct watched *process, const struct watched_visitor *visitor)
{
    look(process, visitor);
    bool says_nothing = process->state == PAGE_NOT_BEGUN || process->state == PAGE_OTHER_VERSION ||
                        process->state == PAGE_TORN;
    if (says_nothing && !process->name[0])
        watched_name(process); /* it has a row in the list */
}

bool watched_refresh(struct watched_list *list, const struct watched_visitor *visitor)
{
    struct directory directory;
    size_t cursor = 0;
    int pid;
    for (size_t i = 0; i < list->count; i++)
        list->processes[i]->seen = false;
    list->unreadable = list->other_version = list->torn = 0;
    if (directory_open(&directory, "/proc") != 0)
        return false;
    bool whole = true;
    while (directory_next_number(&directory, &pid, NULL)) {
        struct watched *process = find(list, pid, &cursor);
        if (!process)
            whole &= (process = add(list, pid)) != NULL;
        if (!process)
            continue;
        process->seen = true;
        visit(process, visitor);
        list->unreadable += process->state == PAGE_NOT_PERMITTED;
        list->other_version += process->state == PAGE_OTHER_VERSION;
        list->torn += process->state == PAGE_TORN;
    }
    directory_close(&directory);
    list->now_ns = clock_monotonic_ns();
    forget_the_gone(list, visitor);
    return whole;
}

void watched_free(struct watched_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->processes[i]);
    free(list->processes);
    *list = (struct watched_list){0};
}
