// SPDX-License-Identifier: MIT
/*
 * The status pages of all processes of the machine, added up by executable, unit and container.
 * What processes that have ended had counted stays: a counter never falls.
 *
 * There are GROUPS_LIMIT groups at most, so that containers that come and go make no endless
 * series: the one that has been without a process for longest is then added to `exe="other"`.
 */
#ifndef PIPESHIM_CLI_STATUS_HOST_SUMS_H
#define PIPESHIM_CLI_STATUS_HOST_SUMS_H

#include <stdbool.h>

#include "base/text_buffer.h"
#include "cli/status/watched.h"
#include "report/metrics_text.h"

enum { GROUPS_LIMIT = 128 };

struct host_group;

struct host_sums {
    struct watched_list list;
    struct host_group *groups[GROUPS_LIMIT];
    unsigned count;
    uint64_t folded;
    uint64_t round; /* of scans */
    char *text;
    size_t length, capacity;
};

/* Looks at all processes. False: no memory, or no /proc; errno says which. */
bool host_sums_refresh(struct host_sums *sums);

/* Renders what was seen last to `text` and `length`. False: no memory. */
bool host_sums_render(struct host_sums *sums, bool open_metrics);

void host_sums_free(struct host_sums *sums);

/* Runs on: the tool. AS-safe: no. Blocks: no. */
#endif
