// SPDX-License-Identifier: MIT
/*
 * Events into the model, one after the other, in the order in which each process wrote them.
 */
#ifndef PIPESHIM_CLI_REPORT_AGGREGATE_H
#define PIPESHIM_CLI_REPORT_AGGREGATE_H

#include <jansson.h>

#include "cli/report/model.h"

/* Adds the event that `json` holds; `file` is the index of the log that it came from. What is no
 * event, lacks something or is not known is counted in model->odd. */
void aggregate_event(struct model *model, const json_t *json, int file);

/* After the last event: calls that never returned get their duration (until the last event of
 * their process), and the timeline is sorted. */
void aggregate_finish(struct model *model);

/* After source_lines_resolve(): file and line of the C code in which members of deadlocks stand. */
void aggregate_lines(struct model *model);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
