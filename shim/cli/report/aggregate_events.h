// SPDX-License-Identifier: MIT
/* What the files of the aggregation share: one handler a kind of event, by their subject. */
#ifndef PIPESHIM_CLI_REPORT_AGGREGATE_EVENTS_H
#define PIPESHIM_CLI_REPORT_AGGREGATE_EVENTS_H

#include <string.h>

#include "cli/report/event_fields.h"
#include "cli/report/model.h"

struct event {
    const json_t *json;
    int64_t time;
    uint64_t seq;
    uint32_t process;
    uint32_t thread;
};

static inline string_id intern(struct model *model, const char *text)
{
    return string_intern(&model->strings, text, strlen(text));
}

static inline string_id intern_field(struct model *model, const json_t *object, const char *key)
{
    return intern(model, field_string(object, key));
}

static inline void add_positive(uint64_t *sum, int64_t value)
{
    if (value > 0)
        *sum += (uint64_t)value;
}

/* Takes the pipe's fill from an event that has one, for the slice and the fill's own timeline. */
void fill_from_pipe(struct model *model, const struct event *event, struct slice *slice);

/* The handlers return false if the event lacks what they need. */

/* aggregate_calls.c */
bool on_lag_end(struct model *model, const struct event *event);
bool on_blocked(struct model *model, const struct event *event);
bool on_unblocked(struct model *model, const struct event *event);
bool on_lag(struct model *model, const struct event *event);

/* Every call that has not returned yet: it lasted until its process was last heard of. */
void close_all_open(struct model *model);

/* aggregate_pipes.c */
bool on_filling(struct model *model, const struct event *event);
bool on_deadlock(struct model *model, const struct event *event);
bool on_drain_start(struct model *model, const struct event *event);
bool on_drain_end(struct model *model, const struct event *event);
bool on_drain_drop(struct model *model, const struct event *event);
bool on_drain_handoff(struct model *model, const struct event *event);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
