// SPDX-License-Identifier: MIT
/* file:line of a native frame of a living process, from the DWARF of the very build that it runs.
 */
#ifndef PIPESHIM_CLI_NAMES_NATIVE_LINE_H
#define PIPESHIM_CLI_NAMES_NATIVE_LINE_H

#include <stdbool.h>

#include "facts/stack.h"

enum { NATIVE_PATH_LIMIT = 480 };

struct native_line {
    char file[NATIVE_PATH_LIMIT]; /* as the compiler recorded it, absolute where it can be */
    int line;                     /* from 1 */
};

/* The line of `frame` of process `pid`; of code that was inlined from a library (C++'s headers,
 * Rust's std), the line that calls it. `returns`: the frame's pc is where a call returns to. False:
 * the module has no build-id or no debug information here, or its file is larger than 256 MiB.
 * Never asks a debuginfod server. Some milliseconds; the module looked at last is kept. */
bool native_line_find(int pid, const struct stack_frame_name *frame, bool returns,
                      struct native_line *line);

/* Runs on: tool. AS-safe: no. Blocks: as long as the files' file systems do. */
#endif
