// SPDX-License-Identifier: MIT
/*
 * Walking outwards over the frames of a copied stack: by tables, and by frame pointers as far as
 * each return address is proven where there are none.
 */
#ifndef PIPESHIM_EXPLAIN_UNWIND_WALK_H
#define PIPESHIM_EXPLAIN_UNWIND_WALK_H

#include "explain/cfi/registers.h"
#include "explain/cfi/unwind_modules.h"
#include "explain/return_address.h"
#include "facts/stack.h"

enum { UNWIND_STEP_LIMIT = 2 * STACK_DEPTH_LIMIT + 256 }; /* of all tries of one unwind together */

/* One unwind. */
struct unwind {
    struct unwind_memory memory;
    struct unwind_modules modules;
    struct stack_trace *trace;
    unsigned depth;
    unsigned steps;
    struct cfi_registers registers; /* of the trace's last frame */
    bool reached_entry; /* the last walk ended at code that the tables say nobody called */
    int missing;        /* the register for whose lack the last step failed; -1: none */
};

void unwind_add_frame(struct unwind *unwind, uint64_t pc, bool exact);

/* Adds the frames from the trace's last one outwards, as far as it goes. */
enum stack_end unwind_walk(struct unwind *unwind);

/* The frame record at `frame_pointer` (the caller's frame pointer, the return address); false if
 * it cannot be one of a frame whose stack pointer is `sp`. */
bool unwind_read_frame_record(struct unwind *unwind, uint64_t frame_pointer, uint64_t sp,
                              enum return_address least, uint64_t record[2]);

/*
 * After a walk that ended for the lack of the frame pointer: first by the size of the frame, as the
 * function's first instructions tell it, then by trying every place above the stack pointer that
 * looks like a frame record, nearest first: counts the first from which the walk reaches the
 * thread's outermost frame and the calls on the way fit. STACK_END_LOST: there is none, and the
 * trace is as it was; or it was found, and the walk ended farther up.
 */
enum stack_end unwind_walk_with_searched_frame_pointer(struct unwind *unwind);

#endif
/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
