// SPDX-License-Identifier: MIT
/* What `run` makes sure of before anything starts. */
#ifndef PIPESHIM_CLI_RUN_CHECK_H
#define PIPESHIM_CLI_RUN_CHECK_H

#include <stdbool.h>

#include "config/settings.h"

/* The variables in the environment by the library's own rules, and that the files they name can be
 * had. Prints one line for what is wrong; false: there was one. */
bool run_check_settings(const char *command);

/* What they are for that command, after that; of one that is left out (PIPESHIM_ONLY) nothing. */
const struct settings *run_check_values(void);

/* One line on stderr if the library will do nothing for CMD, as a seccomp filter is in force that
 * is not known to be harmless. After run_check_settings(). */
void run_check_filter(void);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
