// SPDX-License-Identifier: MIT
#include "explain/unwind_walk.h"

#include <string.h>

#include "explain/cfi/cfi_program.h"

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

/* --- By the function's own beginning ------------------------------------------------------------
 */

#if defined(__x86_64__)

enum {
    PROLOGUE_LIMIT = 160, /* bytes; compilers put other instructions between those that count */
    RECORD_ABOVE = 16,    /* the frame record ends where the caller's frame begins */
};

/* How far below its caller's frame a function has saved the last register that it pushed; 0: its
 * frame is not reckoned from the frame pointer, as it is where a record has to be found. */
static uint64_t pushed_bytes(const struct cfi_row *row)
{
    int64_t lowest = 0;
    if (row->cfa_expression != 0 || row->cfa_register != CFI_FP || row->cfa_offset != RECORD_ABOVE)
        return 0;
    for (unsigned number = 0; number < CFI_REGISTERS; number++)
        if (row->rule[number] == CFI_OFFSET && row->value[number] < lowest)
            lowest = row->value[number];
    return (uint64_t)-lowest;
}

/* sub $SIZE,%rsp at `code`; false: something else. */
static bool is_stack_allocation(const unsigned char *code, uint64_t *size)
{
    int32_t wide;
    if (code[0] != 0x48 || code[2] != 0xec || (code[1] != 0x81 && code[1] != 0x83))
        return false;
    memcpy(&wide, code + 3, sizeof wide);
    *size = code[1] == 0x83 ? code[3] : (uint32_t)wide;
    return true;
}

/* Whether the frame pointer is this; if so, goes on from there. */
static bool walk_from_record(struct unwind *unwind, uint64_t frame_pointer, enum stack_end *end)
{
    struct stack_trace *trace = unwind->trace;
    unsigned count = trace->count;
    const struct cfi_registers before = unwind->registers;
    uint64_t record[2];
    if (!unwind_read_frame_record(unwind, frame_pointer, before.value[CFI_SP],
                                  RETURN_ADDRESS_MODULE, record))
        return false;
    enum call_link link =
        check_call(unwind, trace->pc[count - 1] - !trace->exact[count - 1], record[1]);
    if (link == CALL_CONTRADICTS)
        return false;
    cfi_set(&unwind->registers, CFI_FP, frame_pointer);
    *end = unwind_walk(unwind);
    /* What the function subtracts and a call of this very function just there are proof enough. */
    if (link == CALL_FITS || (*end == STACK_END_COMPLETE && unwind->reached_entry))
        return true;
    unwind->registers = before;
    trace->count = count;
    return false;
}

static bool walk_by_prologue(struct unwind *unwind, enum stack_end *end)
{
    const struct stack_trace *trace = unwind->trace;
    uint64_t pc = trace->pc[trace->count - 1] - !trace->exact[trace->count - 1];
    uint64_t sp = unwind->registers.value[CFI_SP], size;
    unsigned char code[PROLOGUE_LIMIT];
    struct frame_entry entry;
    struct cfi_row row;
    if (!unwind_modules_search(&unwind->modules, &unwind->memory, pc, &entry) ||
        !cfi_row_at(&unwind->memory, &entry, pc, &row))
        return false;
    uint64_t pushed = pushed_bytes(&row);
    if (pushed < RECORD_ABOVE ||
        !unwind_memory_read(&unwind->memory, entry.start, code, sizeof code))
        return false;
    for (unsigned at = 0; at + 7 <= sizeof code && entry.start + at < pc; at++)
        if (is_stack_allocation(code + at, &size) &&
            walk_from_record(unwind, sp + size + pushed - RECORD_ABOVE, end))
            return true;
    return walk_from_record(unwind, sp + pushed - RECORD_ABOVE, end);
}

#else

static bool walk_by_prologue(struct unwind *unwind, enum stack_end *end)
{
    (void)unwind, (void)end;
    return false; /* the frame pointer is the stack pointer there */
}

#endif

/* --- By looking for one -------------------------------------------------------------------------
 */

/*
 * That the walk reaches the outermost frame is not enough. A remnant of an earlier call just below
 * the true record can lead there with a frame too many; and if the walk from the true record gets
 * stuck, one from a record farther up skips what lies between. So the calls must fit: none to
 * another function, and once a record was seen that is of a call of this very function, no other
 * kind will do.
 */
static enum stack_end search(struct unwind *unwind)
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
        /* A word that happens to be 0 ends a stack, too: that is no proof. */
        if (unwind_walk(unwind) == STACK_END_COMPLETE && unwind->reached_entry &&
            !next_call_contradicts(unwind, count))
            return STACK_END_COMPLETE;
        trace->count = count;
    }
    return STACK_END_LOST;
}

enum stack_end unwind_walk_with_searched_frame_pointer(struct unwind *unwind)
{
    enum stack_end end;
    return walk_by_prologue(unwind, &end) ? end : search(unwind);
}
