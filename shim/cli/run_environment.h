// SPDX-License-Identifier: MIT
/*
 * Which library is preloaded, and how.
 */
#ifndef PIPESHIM_CLI_RUN_ENVIRONMENT_H
#define PIPESHIM_CLI_RUN_ENVIRONMENT_H

/* The library's full path: `given`, or the one beside this executable or where it is installed. To
 * be freed; NULL: there is none. */
char *run_environment_library(const char *given);

/* Sets LD_PRELOAD to the library (run_environment_library()), before what LD_PRELOAD holds already.
 * Returns 0, or the exit status after saying why not. */
int run_environment_preload(const char *given);

/* Runs on: tool. AS-safe: no. Blocks: on files. */
#endif
