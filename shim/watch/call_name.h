// SPDX-License-Identifier: MIT
/* What the program called, in its own terms. */
#ifndef PIPESHIM_WATCH_CALL_NAME_H
#define PIPESHIM_WATCH_CALL_NAME_H

#include "explain/stack_snapshot.h"
#include "facts/calls.h"
#include "facts/incident.h"

/* Sets incident->call: the interposed call's name; for stdio and for what the sampler found, the
 * function by which the program entered libc, from the incident's stack and the call instruction
 * that `snapshot` and `reader` show. For the watchdog; may read libc's file for its symbols. */
void call_name_by_stack(enum call_id id, struct stack_snapshot *snapshot,
                        const struct memory_reader *reader, struct incident *incident);

/* "write" for SYS_write; NULL for one that this table does not know. */
const char *kernel_call_name(long number);

/* Runs on: watchdog. AS-safe: yes. Blocks: as long as the file systems of symbol files do. */
#endif
