// SPDX-License-Identifier: MIT
/* The stacks of a `blocked` or `lag` event, for cli/report/event_read.c. */
#ifndef PIPESHIM_CLI_REPORT_EVENT_READ_STACK_H
#define PIPESHIM_CLI_REPORT_EVENT_READ_STACK_H

#include <jansson.h>
#include <stdbool.h>

#include "facts/incident.h"

/* Frames of one language that are shown while the program runs; the others are counted. */
enum { READ_FRAMES_LIMIT = 12 };

struct read_stack {
    struct stack_frame_name frames[READ_FRAMES_LIMIT];
    struct python_frame python[READ_FRAMES_LIMIT];
    struct javascript_frame javascript[READ_FRAMES_LIMIT];
};

/* Sets what `incident` says of stacks, which are read into `to`. Of a Python or JavaScript program
 * only its own frames: the interpreter's say nothing to who reads those. False: the event has none,
 * but perhaps the number of one that was shown before. */
bool event_read_stack(const json_t *json, struct read_stack *to, struct incident *incident);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
