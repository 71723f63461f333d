// SPDX-License-Identifier: MIT
/*
 * The subcommands of `pipeshim`. Each gets its own name as argv[0] and its arguments after it, and
 * returns the exit status of the process.
 */
#ifndef PIPESHIM_CLI_COMMANDS_H
#define PIPESHIM_CLI_COMMANDS_H

#include <stdio.h>

enum {
    EXIT_USAGE = 64,       /* EX_USAGE of sysexits.h: wrong options or arguments */
    EXIT_UNAVAILABLE = 69, /* EX_UNAVAILABLE: the library or a system service is missing */
};

int command_run(int argc, char **argv);
int command_diagnose(int argc, char **argv);
/* What `diagnose --stacks --tree PID` prints, on stderr. */
void diagnose_tree(int pid);
/* A diagnosis of one process with its stacks, as text. Takes up to a second. */
void diagnose_to(int pid, FILE *out);
int command_report(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_rescue(int argc, char **argv);
int command_top(int argc, char **argv);
int command_set(int argc, char **argv);
int command_metrics(int argc, char **argv);

/* One line on stderr, "pipeshim COMMAND: MESSAGE (see pipeshim COMMAND --help)"; returns
 * EXIT_USAGE. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the version line; returns 0. */
int print_version(void);

/* Runs on: tool. AS-safe: no. Blocks: as the command does. */
#endif
