// SPDX-License-Identifier: MIT
/*
 * The `stack` and `python` fields of an event as frames of the model.
 */
#ifndef PIPESHIM_CLI_REPORT_EVENT_STACK_H
#define PIPESHIM_CLI_REPORT_EVENT_STACK_H

#include <jansson.h>

#include "cli/report/model.h"

/* The call site of an event: `like` with the event's stack, or with the one that an earlier event
 * of the process showed under the same `stack_id`. */
uint32_t event_site(struct model *model, uint32_t process, const json_t *event,
                    const struct call_site *like);

/* 1 + the index of the native frame that the `where` of an event, or of a member of a chain, is; 0:
 * it is none of its `stack`. `lag`: the innermost frame is the next instruction. */
uint32_t event_user_frame(struct model *model, const json_t *object, bool lag);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
