// SPDX-License-Identifier: MIT
/*
 * Whether an exec can succeed, before anything is waited for on its account: programs try one name
 * after the other (execvp of old shells, `env`, Python's subprocess), and most of these fail.
 */
#ifndef PIPESHIM_DOORS_EXEC_TARGET_H
#define PIPESHIM_DOORS_EXEC_TARGET_H

#include <stdbool.h>

/* False: there is surely no program at `path` (of execveat(2), with its `flags`). */
bool exec_may_succeed(int directory, const char *path, int flags);

/* The same for a name that is looked for in PATH, as execvp(3) does. */
bool exec_search_may_succeed(const char *file);

/* Runs on: program threads. AS-safe: yes. Blocks: no. */
#endif
