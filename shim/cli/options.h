// SPDX-License-Identifier: MIT
/*
 * What all commands do alike with their arguments: the loop over the options, --help, --version,
 * what is wrong in one line.
 */
#ifndef PIPESHIM_CLI_OPTIONS_H
#define PIPESHIM_CLI_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* The end of each command's table. */
#define OPTIONS_OF_ALL                                                                             \
    {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'v'},                         \
    {                                                                                              \
        0                                                                                          \
    }

enum { OPTIONS_READ = -1 };

struct command_options {
    const char *command;
    const char *letters; /* optstring of getopt_long(3), which begins with ":" or "+:" */
    const struct option *table;
    int (*print_help)(void); /* returns the exit status */
    /* Takes one option of the table, its value in `optarg`. OPTIONS_READ, or the exit status. */
    int (*take)(int option, void *context);
};

/* Reads all options; `optind` is then that of the first argument that is none. OPTIONS_READ: go on;
 * else the status to exit with, after help, version or one line on stderr. */
int options_read(const struct command_options *options, int argc, char **argv, void *context);

/* Decimal, the whole text, from `least` to INT_MAX. False: `number` is as it was. */
bool parse_integer(const char *text, int least, int *number);
bool parse_pid(const char *text, int *pid);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
