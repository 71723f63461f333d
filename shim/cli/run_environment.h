// SPDX-License-Identifier: MIT
/*
 * Which library is preloaded, and how.
 */
#ifndef PIPESHIM_CLI_RUN_ENVIRONMENT_H
#define PIPESHIM_CLI_RUN_ENVIRONMENT_H

/* Sets LD_PRELOAD to the library (`given`, or the one beside this executable, or in ../lib beside
 * it), before what LD_PRELOAD holds already. Returns 0, or the exit status after saying why not. */
int run_environment_preload(const char *given);

#endif
