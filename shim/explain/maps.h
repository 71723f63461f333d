// SPDX-License-Identifier: MIT
/*
 * The mappings of a process, line by line of proc_pid_maps(5): readable also in a process that is
 * not dumpable, and without the loader's lock.
 */
#ifndef PIPESHIM_EXPLAIN_MAPS_H
#define PIPESHIM_EXPLAIN_MAPS_H

#include <stdbool.h>

#include "kernel/proc_text.h"

/* Calls `visit` for each mapping of process `pid` (0: the calling one), by ascending address, until
 * it returns false. False if the list cannot be read. Opens and closes one fd; needs 5 KiB of
 * stack. */
bool maps_for_each(int pid, bool (*visit)(const struct map_line *mapping, void *context),
                   void *context);

/* Runs on: watchdog, constructor, tool. AS-safe: yes. Blocks: no. */
#endif
