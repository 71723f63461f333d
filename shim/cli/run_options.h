// SPDX-License-Identifier: MIT
/*
 * The options of `pipeshim run`: one for each variable that the library reads.
 */
#ifndef PIPESHIM_CLI_RUN_OPTIONS_H
#define PIPESHIM_CLI_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/run_verdict.h"

struct run_options {
    const char *library;        /* NULL: search (run_environment.h) */
    char **command;             /* CMD and its arguments, NULL-terminated */
    bool json;                  /* PIPESHIM_FORMAT is json */
    struct run_verdict verdict; /* --fail-on */
    uint64_t timeout_ns;        /* --timeout; 0: none */
};

/* Reads the options and puts them into the environment: what is set there before stays where no
 * option says otherwise. False: `*status` is the exit status, and what there is to say was said. */
bool run_options_parse(int argc, char **argv, struct run_options *options, int *status);

/* Runs on: tool. AS-safe: no. Blocks: on files. */
#endif
