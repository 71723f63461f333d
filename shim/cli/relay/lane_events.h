// SPDX-License-Identifier: MIT
/* What is reported of the streams that the relay carries: the drainer's events, with its fields. */
#ifndef PIPESHIM_CLI_RELAY_LANE_EVENTS_H
#define PIPESHIM_CLI_RELAY_LANE_EVENTS_H

#include <stdint.h>

#include "cli/relay/lane.h"

/* At `now` (CLOCK_MONOTONIC, ns): a queue that stands, one that is empty again, what was dropped.
 */
void lane_report(struct lane *lane, uint64_t now);

/* `lane->spooled` bytes are in the file, from `offset` on. */
void lane_report_spool(const struct lane *lane, const char *path, int64_t offset);

/* An event `name` about bytes; `words` say what became of them. */
void lanes_report_loss(const char *name, uint64_t bytes, const char *words);

/* The sums of all, at the end of the command, which is `now` and `ran_ns` after its start. */
void lanes_report_summary(struct lane *lanes, unsigned count, uint64_t now, uint64_t ran_ns);

/* Runs on: the relay. AS-safe: no. Blocks: no. */
#endif
