// SPDX-License-Identifier: MIT
/*
 * The name by which a user knows a program: "server.py", not "python3".
 *
 * Pure functions on text that comes from outside (/proc/PID/cmdline, argv).
 */
#ifndef PIPESHIM_BASE_SCRIPT_NAME_H
#define PIPESHIM_BASE_SCRIPT_NAME_H

#include <stddef.h>

/*
 * What an interpreter was told to run: the path of its script, or the module of `python -m`, as
 * it stands in the arguments; NULL when the program is no interpreter that is known here, or runs
 * text (`sh -c`, `node -e`) or an open file (its standard input, `bash /dev/fd/3`). `next` yields
 * argv[0], argv[1], … and NULL at the end; its texts must stay valid.
 */
const char *script_argument(const char *(*next)(void *context), void *context);

/* The part after the last '/'. */
const char *path_last_part(const char *path);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
