// SPDX-License-Identifier: MIT
/* What a person knows a process by: its command line, its user, when it began. */
#ifndef PIPESHIM_CLI_DIAGNOSE_ORIGIN_H
#define PIPESHIM_CLI_DIAGNOSE_ORIGIN_H

#include <stdbool.h>

struct process_origin {
    char command[160]; /* arguments with a space between, cut; "": a kernel thread or a zombie */
    char user[40];     /* name, or number */
    char since[32];    /* local time, "2026-11-25 20:31:07" */
    double age_s;
};

/* False when the process is gone. */
bool process_origin_read(int pid, struct process_origin *origin);

/* Runs on: tool. AS-safe: no. Blocks: as the user database does. */
#endif
