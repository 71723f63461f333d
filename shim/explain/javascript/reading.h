// SPDX-License-Identifier: MIT
/*
 * One reading of a JavaScript stack: from V8's frames to functions, files and positions. The stack
 * is read twice, as the heap may move meanwhile: the second reading only compares.
 */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_READING_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "explain/javascript/frames.h"
#include "explain/javascript/function.h"
#include "explain/javascript/javascript_runtime.h"
#include "explain/javascript/script.h"
#include "explain/stack_snapshot.h"
#include "facts/javascript_frame.h"

/* Where a frame's lines are to be looked up, and what it said. */
struct pending {
    uint64_t script;
    int32_t position, function_position; /* -1: not known */
    uint64_t fingerprint;
};

struct javascript_workspace {
    struct v8_heap heap;
    struct pending pending[JAVASCRIPT_FRAME_LIMIT];
    struct v8_line lines[2 * JAVASCRIPT_FRAME_LIMIT];
    uint16_t line_of[2 * JAVASCRIPT_FRAME_LIMIT]; /* whose each line is: 2 * frame, + 1: function */
    struct v8_function function;                  /* the last one that was read: a recursion's */
    struct javascript_frame frame;                /* of a second reading */
};

/* One reading of a whole stack; the second one only compares. */
struct reading {
    struct javascript_runtime *runtime;
    struct javascript_workspace *work;
    struct v8_heap *heap;
    struct stack_snapshot *snapshot;
    struct javascript_frame *out;
    unsigned count, limit, omitted;
    bool second;
    uint64_t last_script; /* of the frame before: its file name is copied */
};

/* The function of a frame, from its slot, into `work->function`. */
bool reading_function(struct reading *reading, const struct v8_frame *frame);

/* Takes what runs in one of V8's frames: none, or all that are inlined there. */
void reading_frame(struct reading *reading, const struct v8_frame *frame);

/* A frame of which nothing can be said. */
void reading_make_unreadable(struct javascript_frame *frame);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
