// SPDX-License-Identifier: MIT
/*
 * Which blocked call waited for which: a call that names the process at its other end, and a call
 * of that process at the same time. Timelines draw them as arrows.
 */
#ifndef PIPESHIM_CLI_REPORT_WAIT_EDGES_H
#define PIPESHIM_CLI_REPORT_WAIT_EDGES_H

#include "cli/report/model.h"

enum { EDGE_LIMIT = 20000 };

struct wait_edge {
    uint32_t waiter, holder; /* indices of model->slices */
    int64_t time;            /* when both were blocked */
};

/* The process with that pid that lived at `time` on the machine of process `near`, as far as the
 * logs tell; NONE. */
int32_t wait_edges_process(const struct model *model, uint32_t near, int32_t pid, int64_t time);

/* The caller frees it; at most EDGE_LIMIT. NULL: no memory, or none (then *count is 0). The slices
 * must be sorted (aggregate_finish). */
struct wait_edge *wait_edges_find(const struct model *model, uint32_t *count);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
