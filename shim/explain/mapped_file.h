// SPDX-License-Identifier: MIT
/*
 * The files that are mapped in a process, by /proc/PID/maps: for a process of others, and for
 * systems whose glibc cannot say it of the own one without a lock.
 */
#ifndef PIPESHIM_EXPLAIN_MAPPED_FILE_H
#define PIPESHIM_EXPLAIN_MAPPED_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/stack.h"

struct mapped_file {
    uintptr_t start, end; /* from the mapping of the file's first byte to its last mapping's end */
    char path[MODULE_PATH_LIMIT]; /* "[vdso]" for the vDSO */
};

/* The one at `address` in process `pid` (0: the calling one). False if nothing, or no named
 * mapping, lies there, or /proc is not there. Opens one file and closes it. */
bool mapped_file_find(int pid, uintptr_t address, struct mapped_file *file);

/* All of them, by ascending address, at most `limit`; returns how many. */
unsigned mapped_files_read(int pid, struct mapped_file *files, unsigned limit);

/* Runs on: watchdog, constructor, tool. AS-safe: yes. Blocks: no. */
#endif
