// SPDX-License-Identifier: MIT
/* The line of its script that a bash is at: bash has the number of the last simple command it began
 * in a variable that its executable exports. */
#ifndef PIPESHIM_EXPLAIN_SHELL_LINE_H
#define PIPESHIM_EXPLAIN_SHELL_LINE_H

#include "facts/member.h"
#include "kernel/memory_reader.h"

/* Fills `where` and `source` of a member that is a bash which runs a script file. Left as they are:
 * another shell, `bash -c`, a line of a sourced file. Some 20 reads. */
void shell_line_read(const struct memory_reader *memory, int pid, struct member *member);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: as long as the script's file system does. */
#endif
