// SPDX-License-Identifier: MIT
/* What the JSON events have in common: their first fields, their stacks. Async-signal-safe. */
#ifndef PIPESHIM_REPORT_EVENT_JSON_PARTS_H
#define PIPESHIM_REPORT_EVENT_JSON_PARTS_H

#include "report/event.h"
#include "report/json_writer.h"

/* A byte of a name may become six ("\\u0001"): the longest module and symbol, and the numbers. */
enum {
    SPACE_FOR_FRAME = 6 * (MODULE_PATH_LIMIT + SYMBOL_NAME_LIMIT) + 300,
};

void event_json_begin(struct json_writer *json, struct text_buffer *text,
                      const struct event *event);
/* Closes the object and the line. */
void event_json_end(struct json_writer *json);

/* stack_id, explained_us, and with `with_stack` the Python frames and the C stack: the last fields,
 * of which the outermost frames are left out when the space ends. */
void event_json_stacks(struct json_writer *json, const struct incident *incident, bool with_stack);

enum {
    EVENT_SPACE_FOR_END = 512,
    EVENT_SPACE_FOR_STACK = 24 * 1024, /* the C stack's share when there are many other frames */
};

/* The same fields of any stack. Outer frames are left out where less than `keep` bytes would be
 * left of the room. */
void event_json_stack(struct json_writer *json, const struct stack_frame_name *frames,
                      unsigned count, bool complete, size_t keep);
void event_json_javascript(struct json_writer *json, const struct javascript_frame *frames,
                           unsigned count, unsigned omitted, size_t keep);
void event_json_python(struct json_writer *json, const struct python_frame *frames, unsigned count,
                       unsigned omitted, size_t keep);

/* The contract's `pipe`, `socket`, `file` or `dns`, and the `child` that is waited for. */
void event_json_object(struct json_writer *json, const struct object_facts *facts);
/* `pipe` alone. */
void event_json_pipe(struct json_writer *json, const struct pipe_facts *pipe);

/* The summary's drainer. */
void event_json_drain_totals(struct json_writer *json, const struct summary *summary);
/* The summary's event loops. */
void event_json_loops(struct json_writer *json, const struct summary *summary);

/* Members of event_format_json that stand in files of their own. */
void event_json_lag(struct text_buffer *text, const struct event *event);
void event_json_lag_end(struct text_buffer *text, const struct event *event);
void event_json_finding(struct text_buffer *text, const struct event *event);
void event_json_filling(struct text_buffer *text, const struct event *event);
void event_json_drain(struct text_buffer *text, const struct event *event);
void event_json_drain_loss(struct text_buffer *text, const struct event *event);
void event_json_drain_wait(struct text_buffer *text, const struct event *event);
void event_json_drain_spool(struct text_buffer *text, const struct event *event);

/* Runs on: any, under the lock of report/. AS-safe: yes. Blocks: no. */
#endif
