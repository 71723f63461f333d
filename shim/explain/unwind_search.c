// SPDX-License-Identifier: MIT
#include "explain/unwind_walk.h"

enum { SEARCH_DISTANCE = 4096 }; /* a frame pointer that is searched lies this near */

/* Where the function that `pc` lies in starts, by its unwind table; 0: unknown. */
static uint64_t function_start(struct unwind *unwind, uint64_t pc)
{
    struct frame_entry entry;
    return unwind_modules_search(&unwind->modules, &unwind->memory, pc, &entry) ? entry.start : 0;
}

enum call_link {
    CALL_CONTRADICTS, /* the call before the return address is to another function */
    CALL_UNKNOWN,     /* it is indirect, or goes through the procedure linkage table */
    CALL_FITS,        /* it is to this function */
};

/* Whether a function that `pc` lies in can have been called by the call before `return_address`. */
static enum call_link check_call(struct unwind *unwind, uint64_t pc, uint64_t return_address)
{
    uintptr_t target;
    if (!direct_call_target(unwind->memory.snapshot, unwind->memory.reader, return_address,
                            &target) ||
        function_start(unwind, target) != target)
        return CALL_UNKNOWN;
    return function_start(unwind, pc) == target ? CALL_FITS : CALL_CONTRADICTS;
}

/* The same for the frame after the trace's `frame`. */
static bool next_call_contradicts(struct unwind *unwind, unsigned frame)
{
    const struct stack_trace *trace = unwind->trace;
    return frame + 1 < trace->count && !trace->exact[frame + 1] &&
           check_call(unwind, trace->pc[frame] - 1, trace->pc[frame + 1]) == CALL_CONTRADICTS;
}

/*
 * That the walk reaches the outermost frame is not enough. A remnant of an earlier call just below
 * the true record can lead there with a frame too many; and if the walk from the true record gets
 * stuck, one from a record farther up skips what lies between. So the calls must fit: none to
 * another function, and once a record was seen that is of a call of this very function, no other
 * kind will do.
 */
enum stack_end unwind_walk_with_searched_frame_pointer(struct unwind *unwind)
{
    struct stack_trace *trace = unwind->trace;
    unsigned count = trace->count;
    uint64_t pc = trace->pc[count - 1];
    bool exact = trace->exact[count - 1];
    const struct cfi_registers before = unwind->registers;
    const struct stack_snapshot *snapshot = unwind->memory.snapshot;
    uint64_t sp = before.value[CFI_SP];
    enum call_link least = CALL_UNKNOWN;
    for (uint64_t candidate = (sp + 7) & ~7ULL;
         candidate >= snapshot->start && candidate - sp < SEARCH_DISTANCE &&
         candidate + 16 <= snapshot->start + snapshot->size && unwind->steps < UNWIND_STEP_LIMIT;
         candidate += 8) {
        uint64_t record[2];
        if (!unwind_read_frame_record(unwind, candidate, sp, RETURN_ADDRESS_MODULE, record))
            continue;
        enum call_link link = check_call(unwind, pc - !exact, record[1]);
        if (link < least)
            continue;
        least = link;
        unwind->registers = before;
        cfi_set(&unwind->registers, CFI_FP, candidate);
        if (unwind_walk(unwind) == STACK_END_COMPLETE && !next_call_contradicts(unwind, count))
            return STACK_END_COMPLETE;
        trace->count = count;
    }
    return STACK_END_LOST;
}
