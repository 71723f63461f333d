// SPDX-License-Identifier: MIT
/*
 * PIPESHIM_STACK_FORMAT=compact: a frame is one string, a module's path and build-id are written
 * once, with the first frame that names it, and no record is longer than COMPACT_LIMIT.
 */
#ifndef PIPESHIM_REPORT_EVENT_JSON_COMPACT_H
#define PIPESHIM_REPORT_EVENT_JSON_COMPACT_H

#include <stdbool.h>

#include "report/event_json_parts.h"

enum {
    COMPACT_LIMIT = 4095,   /* bytes of a record, its newline included */
    COMPACT_STRING = 512,   /* of a string */
    COMPACT_RESERVE = 1400, /* the numbers of the longest record, and its brackets */
    COMPACT_MODULES = 700,  /* left for the modules, which are written last */
};

/* Whether events are compact from now on. A process, or a forked child, that begins names all its
 * modules anew. */
void event_compact_begin(bool compact);
bool event_compact(void);

/* True if there is space for something of at most `usual` bytes; in a compact record of `least`,
 * with its strings cut. */
bool event_json_has_space(const struct json_writer *json, size_t usual, size_t least);

/* The lists of event_json_parts.h, as strings. */
void event_compact_stack(struct json_writer *json, const struct stack_frame_name *frames,
                         unsigned count, bool complete);
void event_compact_python(struct json_writer *json, const struct python_frame *frames,
                          unsigned count, unsigned omitted);
void event_compact_javascript(struct json_writer *json, const struct javascript_frame *frames,
                              unsigned count, unsigned omitted);

/* What is new of the modules that the record's frames have named, before the record is closed. */
void event_json_modules(struct json_writer *json);

/* The record that event_json_modules() was for was written, or else lost, and its modules are to be
 * named again. */
void event_compact_written(bool written);

/* Runs on: any, under the lock of report/. AS-safe: yes. Blocks: no. */
#endif
