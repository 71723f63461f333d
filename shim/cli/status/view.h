// SPDX-License-Identifier: MIT
/* What `pipeshim top` shows of the processes: a table for a person, or JSON. */
#ifndef PIPESHIM_CLI_STATUS_VIEW_H
#define PIPESHIM_CLI_STATUS_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "cli/status/watched.h"

/* From the best to the worst. */
enum process_state {
    STATE_NOT_BEGUN,
    STATE_OK,
    STATE_DRAINING,
    STATE_LAG,
    STATE_BLOCKED,
    STATE_STUCK,
    STATE_DEADLOCK,
};

enum process_state view_state(const struct watched *process);

/* Worst first; of two in the same state the one that has been so for longer. */
void view_sort(struct watched **processes, size_t count, uint64_t now_ns);

/* A line of totals, a line of headings and a row for each process, at most `rows` of them and
 * `columns` wide (0: no bound). */
void view_table(FILE *out, const struct watched_list *list, struct watched **processes,
                size_t count, unsigned rows, unsigned columns, bool colour);

/* One object of all; a reference for the caller, NULL: no memory. */
json_t *view_json(const struct watched_list *list, struct watched **processes, size_t count);

/* Runs on: the tool. AS-safe: no. Blocks: no. */
#endif
