// SPDX-License-Identifier: MIT
/* The frames of V8 on a stack, one after the other: those of JavaScript functions. */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_FRAMES_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_FRAMES_H

#include "explain/javascript/heap.h"
#include "explain/stack_snapshot.h"
#include "facts/stack.h"

/* One frame, as it lies on the stack. */
struct v8_frame {
    uint64_t pc, fp;
    bool exact;     /* pc is what is executed, no return address */
    bool gone;      /* the thread ran on: what its slots point to may be something else now */
    bool innermost; /* of the whole stack: the snapshot's registers are its own */
    uint64_t function, bytecode, offset; /* the words of its fixed slots; offset: the last one's */
};

/* Goes through a trace's frames that have no unwind table, then, where the trace ends among them,
 * through the frames that follow, as far as V8's own go. */
struct v8_frame_walk {
    struct v8_heap *heap;
    const struct stack_trace *trace;
    struct stack_snapshot *snapshot;
    uint64_t sp;
    unsigned next; /* of the trace */
    unsigned steps;
    bool beyond;     /* the trace ended */
    uint64_t pc, fp; /* then: the frame to come; fp 0: none */
};

void v8_frames_begin(struct v8_frame_walk *walk, struct v8_heap *heap,
                     const struct stack_trace *trace, struct stack_snapshot *snapshot);

/* The next JavaScript frame; false at the end. */
bool v8_frames_next(struct v8_frame_walk *walk, struct v8_frame *frame);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
