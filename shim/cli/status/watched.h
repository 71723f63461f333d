// SPDX-License-Identifier: MIT
/*
 * All processes of the machine that run the library, looked at again and again. Where a process has
 * its page is found out once and kept by its pid and start.
 */
#ifndef PIPESHIM_CLI_STATUS_WATCHED_H
#define PIPESHIM_CLI_STATUS_WATCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/status/page_reader.h"
#include "kernel/process_name.h"

struct watched {
    int pid;
    uint64_t start; /* clock ticks after the machine's, of /proc/PID/stat */
    uintptr_t address;
    enum page_state found;         /* whether it has a page at all */
    enum page_state state;         /* of the last scan */
    unsigned scans;                /* while it had none */
    bool seen;                     /* there at the last scan */
    char name[PROCESS_NAME_LIMIT]; /* as its user knows it */
    char executable[PROCESS_NAME_LIMIT];
    uint32_t user;
    struct status_page page; /* with `state` PAGE_READ */
};

struct watched_list {
    struct watched **processes; /* in no order */
    size_t count, capacity;
    unsigned unreadable; /* processes that may not be looked at */
    uint64_t now_ns;     /* CLOCK_MONOTONIC of the last scan */
};

/* Looks at all processes. `gone` is called before one that has ended is forgotten; NULL. False: no
 * memory, or no /proc. */
bool watched_refresh(struct watched_list *list,
                     void (*gone)(const struct watched *process, void *context), void *context);
void watched_free(struct watched_list *list);

/* Runs on: the tool. AS-safe: no. Blocks: no. */
#endif
