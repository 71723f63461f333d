// SPDX-License-Identifier: MIT
/* The conditions that can be read off: of this machine, a program, a running process. */
#ifndef PIPESHIM_CLI_DOCTOR_CONDITIONS_H
#define PIPESHIM_CLI_DOCTOR_CONDITIONS_H

#include "cli/doctor/results.h"
#include "config/settings.h"

/* The kernel, /proc, who may read whom. */
void check_machine(struct results *results);

/* The library's file: can other users' programs map it. */
void check_library(struct results *results, const char *library);

/* The variables in `environment` (NULL-terminated): values that are refused, a log that cannot be
 * written. `root` stands before paths ("" or /proc/PID/root). `names`: the program that ONLY and
 * SKIP are tried on, NULL: none. */
void check_settings(struct results *results, char *const *environment,
                    const struct program_names *names, const char *root);

/* A command that is to be started with the library. It is not run: its loader is asked. */
void check_command(struct results *results, const char *command, const char *library);

/* A process that runs already. */
void check_process(struct results *results, int pid);

#endif
/* Runs on: the tool. AS-safe: no. Blocks: on files. */
