// SPDX-License-Identifier: MIT
/*
 * The file that is mapped at an address, by /proc/self/maps: the slow way, for systems whose glibc
 * cannot say it without a lock.
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

/* False if nothing, or no named mapping, lies at `address`, or /proc is not there. Opens one file
 * and closes it. Async-signal-safe. */
bool mapped_file_find(uintptr_t address, struct mapped_file *file);

/* Runs on: watchdog, constructor. AS-safe: yes. Blocks: no. */
#endif
