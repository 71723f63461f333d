// SPDX-License-Identifier: MIT
/* What the files of `pipeshim top` share. */
#ifndef PIPESHIM_CLI_TOP_TOP_H
#define PIPESHIM_CLI_TOP_TOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/status/view.h"

struct top {
    char **wanted; /* pids and globs */
    int wanted_count;
    bool batch, json;
    bool hide_ok;         /* only rows that something is wrong with */
    char filter[64];      /* "": none */
    bool *ended;          /* of each of `wanted`: that its process has ended was said */
    uint64_t refreshes;   /* 0: until it is stopped */
    uint64_t interval_ns; /* between two */
    uint64_t took_ns;     /* the last one */
    enum view_order order;
    struct watched_list list;
    struct watched **shown; /* those that are wanted, in order */
    size_t shown_count;
};

extern volatile sig_atomic_t top_stopped; /* by SIGINT or SIGTERM */

/* Looks at all processes, and chooses and sorts what is shown. False: it was said why. */
bool top_refresh(struct top *top);
/* The same of what was seen last: after another order or filter. False: no memory. */
bool top_choose(struct top *top);

/* On a terminal, until it is quit: the exit status; -1: the terminal is not known, which was said.
 */
int top_screen(struct top *top);

/* Writes all that is known of one process: of its page, which is read anew each time, and with
 * `diagnosis` what top_diagnose() made. Lines of any length. */
void top_detail(const struct top *top, const struct watched *process, const char *diagnosis,
                FILE *out);
/* Who waits for whom, and the stacks: text for top_detail(), which the caller frees. Takes up to a
 * second when something is stuck. NULL: no memory. */
char *top_diagnose(int pid);

/* Runs on: the tool. AS-safe: no. Blocks: on the terminal. */
#endif
