// SPDX-License-Identifier: MIT
#include "explain/unwind_walk.h"

#include "explain/cfi/frame_step.h"
#include "explain/cfi/signal_frame.h"

enum { FRAME_SIZE_LIMIT = 1024 * 1024 }; /* a frame pointer that points farther up is none */

void unwind_add_frame(struct unwind *unwind, uint64_t pc, bool exact)
{
    struct stack_trace *trace = unwind->trace;
    trace->pc[trace->count] = pc;
    trace->exact[trace->count] = exact;
    trace->frame_pointer[trace->count] = 0;
    trace->count++;
}

static bool read_word(struct unwind *unwind, uint64_t address, uint64_t *value)
{
    return unwind_memory_read(&unwind->memory, address, value, sizeof(*value));
}

static enum return_address check(struct unwind *unwind, uint64_t pc)
{
    return return_address_check(unwind->memory.snapshot, unwind->modules.of, unwind->memory.reader,
                                pc);
}

bool unwind_read_frame_record(struct unwind *unwind, uint64_t frame_pointer, uint64_t sp,
                              enum return_address least, uint64_t record[2])
{
    if (frame_pointer % 8 != 0 || frame_pointer < sp || frame_pointer - sp > FRAME_SIZE_LIMIT ||
        !read_word(unwind, frame_pointer, &record[0]) ||
        !read_word(unwind, frame_pointer + 8, &record[1]))
        return false;
    record[1] = cfi_strip_signature(record[1]);
    return check(unwind, record[1]) >= least;
}

/* From a frame without tables to its caller. */
static enum frame_step step_without_table(struct unwind *unwind, bool exact)
{
    const struct cfi_registers *from = &unwind->registers;
    uint64_t sp = from->value[CFI_SP], drop, record[2];
    struct cfi_registers caller = {.known = 0}; /* that code may have saved the others anywhere */
    if (!exact && is_stack_drop_and_return(unwind->memory.snapshot, unwind->memory.reader,
                                           from->value[CFI_PC], &drop)) {
        if (!read_word(unwind, sp + drop, &record[1]) ||
            check(unwind, record[1]) == RETURN_ADDRESS_NO)
            return FRAME_STEP_FAILED;
        caller = *from;
        sp += drop + 8;
    } else {
        uint64_t frame_pointer = from->value[CFI_FP];
        if (!cfi_is_known(from, CFI_FP))
            return FRAME_STEP_FAILED;
        unwind->trace->frame_pointer[unwind->trace->count - 1] = frame_pointer;
        if (!unwind_read_frame_record(unwind, frame_pointer, sp, RETURN_ADDRESS_ANONYMOUS, record))
            return FRAME_STEP_FAILED;
        cfi_set(&caller, CFI_FP, record[0]);
        sp = frame_pointer + 16;
    }
    cfi_set(&caller, CFI_SP, sp);
    cfi_set(&caller, CFI_PC, record[1]);
    unwind->registers = caller;
    return FRAME_STEP_CALLER;
}

/* `*interrupted`: the caller did not call, a signal came. */
static enum frame_step step(struct unwind *unwind, bool exact, bool *interrupted)
{
    struct frame_entry entry;
    uint64_t pc = unwind->registers.value[CFI_PC];
    unwind->missing = -1;
    bool described =
        unwind_modules_search(&unwind->modules, &unwind->memory, pc - (exact ? 0 : 1), &entry);
    *interrupted = (!described || entry.signal_frame) &&
                   signal_frame_step(&unwind->memory, &unwind->registers);
    if (*interrupted)
        return FRAME_STEP_CALLER;
    if (!described)
        return step_without_table(unwind, exact);
    *interrupted = entry.signal_frame;
    return frame_step(&unwind->memory, &entry, exact, &unwind->registers, &unwind->missing);
}

enum stack_end unwind_walk(struct unwind *unwind)
{
    struct stack_trace *trace = unwind->trace;
    bool exact = trace->exact[trace->count - 1];
    for (;;) {
        uint64_t sp = unwind->registers.value[CFI_SP];
        bool interrupted;
        enum frame_step result = ++unwind->steps > UNWIND_STEP_LIMIT
                                     ? FRAME_STEP_FAILED
                                     : step(unwind, exact, &interrupted);
        unwind->reached_entry = result == FRAME_STEP_OUTERMOST;
        if (result != FRAME_STEP_CALLER)
            return result == FRAME_STEP_FAILED ? STACK_END_LOST : STACK_END_COMPLETE;
        /* A caller's frame lies above its callee's. A leaf function of aarch64 has none of its own,
         * and a signal handler may have run on another stack. */
        uint64_t next_sp = unwind->registers.value[CFI_SP];
        if (next_sp < sp ? !interrupted : next_sp == sp && !exact)
            return STACK_END_LOST;
        if (trace->count >= unwind->depth)
            return STACK_END_DEPTH;
        exact = interrupted;
        unwind_add_frame(unwind, unwind->registers.value[CFI_PC], exact);
    }
}
