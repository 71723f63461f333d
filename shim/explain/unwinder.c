// SPDX-License-Identifier: MIT
#include "explain/unwinder.h"

#include "explain/unwind_walk.h"

void unwind_snapshot(struct stack_snapshot *snapshot, const struct modules *modules,
                     const struct memory_reader *reader, unsigned depth, struct stack_trace *trace)
{
    struct unwind unwind;
    unwind.memory = (struct unwind_memory){
        .snapshot = snapshot, .reader = reader, .foreign = modules->pid != 0};
    unwind.modules.of = modules;
    unwind.modules.count = 0;
    unwind.trace = trace;
    unwind.depth = depth < STACK_DEPTH_LIMIT ? depth : (unsigned)STACK_DEPTH_LIMIT;
    unwind.steps = 0;
    stack_snapshot_begin(snapshot);
    trace->count = 0;
    trace->end = STACK_END_LOST;
    unwind_add_frame(&unwind, snapshot->registers.pc, !snapshot->pc_returns);
    if (snapshot->size == 0)
        return;
    cfi_registers_load(&unwind.registers, &snapshot->registers, snapshot->known);
    trace->end = unwind_walk(&unwind);
    if (trace->end == STACK_END_LOST && unwind.missing == CFI_FP)
        trace->end = unwind_walk_with_searched_frame_pointer(&unwind);
}
