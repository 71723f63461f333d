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

#include "cli/status/cgroup.h"
#include "cli/status/page_reader.h"
#include "kernel/process_name.h"

/* Of a process without the library: what a finding of one that has it says of it. */
struct named_process {
    int by_pid; /* 0: it is named by none */
    int kind;   /* enum finding_kind */
    uint64_t found_ns;
    struct status_member member; /* pids as this tool sees them */
};

struct watched {
    int pid;
    uint64_t start; /* clock ticks after the machine's, of /proc/PID/stat; 0: not asked yet */
    uintptr_t address;
    enum page_state found;         /* whether it has a page at all */
    enum page_state state;         /* of the last scan */
    unsigned scans;                /* while it had none */
    bool seen;                     /* there at the last scan */
    uint64_t own_begun_ns;         /* when the page began that is known to be its own */
    char name[PROCESS_NAME_LIMIT]; /* as its user knows it */
    char executable[PROCESS_NAME_LIMIT];
    struct cgroup_names cgroup;
    uint32_t user;
    struct named_process named;
    struct status_page page; /* the last that could be read; its `pid` 0: none */
};

struct watched_list {
    struct watched **processes; /* in no order */
    size_t count, capacity;
    unsigned unreadable;    /* processes that may not be looked at */
    unsigned other_version; /* that run a library whose page is not known here */
    unsigned torn;          /* whose page was being written each time */
    uint64_t now_ns;        /* CLOCK_MONOTONIC of the last scan */
};

struct watched_visitor {
    /* Before a page is forgotten: its process has ended, or another program runs in it. */
    void (*gone)(const struct watched *process, void *context);
    void *context;
};

/* Looks at all processes; `visitor`: NULL. False: no memory, or no /proc. */
bool watched_refresh(struct watched_list *list, const struct watched_visitor *visitor);
void watched_free(struct watched_list *list);

/* NULL: there was none of that pid. */
struct watched *watched_find(struct watched_list *list, int pid);
/* Asks for name, executable, user and control group. */
void watched_name(struct watched *process);

/* Runs on: the tool. AS-safe: no. Blocks: no. */
#endif
