// SPDX-License-Identifier: MIT
/*
 * Names of code that a runtime compiled at run time, from the file which it writes for perf(1):
 * /tmp/perf-PID.map, one line "START SIZE NAME" (hexadecimal, bytes) a function. Node writes it
 * with --perf-basic-prof (and --interpreted-frames-native-stack), CPython 3.12 and later with
 * -X perf, Java through agents.
 */
#ifndef PIPESHIM_EXPLAIN_PERF_MAP_H
#define PIPESHIM_EXPLAIN_PERF_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/stack.h"

struct perf_map_name {
    uint64_t pc;                  /* in: an address outside all modules */
    uint64_t start;               /* out: where the function begins */
    char name[SYMBOL_NAME_LIMIT]; /* out: its name as the runtime writes it; "" if not found.
                                     Control characters are replaced; a long name is cut between
                                     UTF-8 characters. */
};

/* Names the addresses `names[].pc` from the map of process `pid` (0: the calling process); returns
 * how many were found. Of several entries for an address the last counts: runtimes reuse memory and
 * only append. One pass through the file, at most its last 64 MiB (some 150 ms); the file is
 * believed only if the process's user or root owns it, for /tmp is everybody's.
 * Async-signal-safe; opens and closes fds; needs 8 KiB of stack. */
unsigned perf_map_find(int pid, struct perf_map_name *names, unsigned count);

/* The same from an open file, from its current position on. */
unsigned perf_map_read(int fd, struct perf_map_name *names, unsigned count);

/* Runs on: watchdog. AS-safe: yes. Blocks: as long as the map's file system does. */
#endif
