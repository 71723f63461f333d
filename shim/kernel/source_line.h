// SPDX-License-Identifier: MIT
/* The text of one line of a source file, as the process that runs it sees the file. */
#ifndef PIPESHIM_KERNEL_SOURCE_LINE_H
#define PIPESHIM_KERNEL_SOURCE_LINE_H

#include <stdbool.h>
#include <stddef.h>

enum { SOURCE_LINE_LIMIT = 128 };

/*
 * Writes line `line` (from 1) of `path` without its indentation. `path` is taken inside the
 * process's own root (a container), a relative one from its working directory. False when it is no
 * regular file, was changed after the process began (what runs is another text), has no such line,
 * is larger than 4 MiB, or belongs to a process of another user: a neighbour that names a file of
 * ours must not have it printed.
 */
bool source_line_read(int pid, const char *path, int line, char to[SOURCE_LINE_LIMIT]);

/* Opens the file itself for reading, by the same rules; -1. The caller closes it. */
long source_file_open(int pid, const char *path);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: as long as the file's file system does. */
#endif
