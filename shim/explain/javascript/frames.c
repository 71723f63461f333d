// SPDX-License-Identifier: MIT
#include "explain/javascript/frames.h"

enum {
    WALK_LIMIT = 8192,
    FRAME_SIZE_LIMIT = 1 << 20,
    SLOTS = 7, /* words from the bytecode offset to the return address */
};

/* The words of a frame, upwards: the layout that v8_layout_choose() insists on. */
enum slot {
    SLOT_OFFSET,   /* fp - 40 */
    SLOT_BYTECODE, /* fp - 32 */
    SLOT_ARGUMENT_COUNT,
    SLOT_FUNCTION, /* fp - 16 */
    SLOT_CONTEXT,  /* fp - 8: of other frames than JavaScript's their type, as a Smi of 31 bits */
    SLOT_CALLER_FP,
    SLOT_RETURN_ADDRESS,
};

void v8_frames_begin(struct v8_frame_walk *walk, struct v8_heap *heap,
                     const struct stack_trace *trace, struct stack_snapshot *snapshot)
{
    *walk = (struct v8_frame_walk){
        .heap = heap, .trace = trace, .snapshot = snapshot, .sp = snapshot->registers.sp};
}

static bool read_slots(struct v8_frame_walk *walk, uint64_t fp, uint64_t slots[SLOTS])
{
    return fp % 8 == 0 && fp >= V8_PAGE_SIZE && fp < 1ULL << 47 &&
           stack_snapshot_read(walk->snapshot, walk->heap->memory,
                               fp - sizeof(uint64_t) * SLOT_CALLER_FP, slots,
                               sizeof(uint64_t) * SLOTS);
}

/* Of a running thread the copy of its stack is older than its heap, in which a collector may have
 * put another function where the frame's was. The slots must still be what they were: at both
 * readings, so that all frames stood on the stack together between them. */
static bool is_gone(struct v8_frame_walk *walk, uint64_t fp, const uint64_t slots[SLOTS])
{
    uint64_t now[SLOTS];
    return !memory_read(walk->heap->memory, fp - sizeof(uint64_t) * SLOT_CALLER_FP, now,
                        sizeof now) ||
           now[SLOT_FUNCTION] != slots[SLOT_FUNCTION] ||
           now[SLOT_BYTECODE] != slots[SLOT_BYTECODE] || now[SLOT_CONTEXT] != slots[SLOT_CONTEXT] ||
           now[SLOT_CALLER_FP] != slots[SLOT_CALLER_FP] ||
           now[SLOT_RETURN_ADDRESS] != slots[SLOT_RETURN_ADDRESS];
}

/* The frame to which V8's own frames go on beyond the trace; none after those that C++ called. */
static void go_beyond(struct v8_frame_walk *walk, uint64_t fp, const uint64_t slots[SLOTS])
{
    const struct v8_constants *k = &walk->heap->layout->published;
    uint64_t mark = slots[SLOT_CONTEXT], caller = slots[SLOT_CALLER_FP];
    bool typed = (mark & 1) == 0;
    walk->fp = 0;
    if (typed &&
        (mark >> 1 == (uint64_t)k->frame_entry || mark >> 1 == (uint64_t)k->frame_construct_entry ||
         mark >> 1 > 63 || (k->frame_types >> (mark >> 1) & 1) == 0))
        return;
    if (caller <= fp || caller - fp > FRAME_SIZE_LIMIT)
        return;
    walk->fp = caller;
    walk->pc = slots[SLOT_RETURN_ADDRESS];
}

/* Puts the next frame without an unwind table into `frame`. */
static bool next_position(struct v8_frame_walk *walk, struct v8_frame *frame)
{
    const struct stack_trace *trace = walk->trace;
    while (walk->next < trace->count) {
        unsigned i = walk->next++;
        if (trace->frame_pointer[i] == 0)
            continue;
        *frame = (struct v8_frame){.pc = trace->pc[i],
                                   .fp = trace->frame_pointer[i],
                                   .exact = trace->exact[i],
                                   .innermost = i == 0};
        walk->beyond = i + 1 == trace->count;
        return true;
    }
    if (!walk->beyond || walk->fp == 0)
        return false;
    *frame = (struct v8_frame){.pc = walk->pc, .fp = walk->fp};
    return true;
}

bool v8_frames_next(struct v8_frame_walk *walk, struct v8_frame *frame)
{
    while (walk->steps++ < WALK_LIMIT && next_position(walk, frame)) {
        uint64_t slots[SLOTS];
        walk->fp = 0;
        if (!read_slots(walk, frame->fp, slots))
            continue;
        if (walk->beyond)
            go_beyond(walk, frame->fp, slots);
        /* A function that is making its frame has slots that are not its own yet. */
        bool whole = !frame->exact || frame->fp - 2 * sizeof(uint64_t) >= walk->sp;
        if ((slots[SLOT_CONTEXT] & 1) == 0 || !whole)
            continue;
        frame->gone = is_gone(walk, frame->fp, slots);
        frame->function = slots[SLOT_FUNCTION];
        frame->bytecode = slots[SLOT_BYTECODE];
        frame->offset = slots[SLOT_OFFSET];
        return true;
    }
    return false;
}
