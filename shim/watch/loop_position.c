// SPDX-License-Identifier: MIT
#include "watch/loop_position.h"

#include "watch/thread_stack.h"

enum {
    /* The wait's frames that a callback's stack does not share: uv__io_poll and its caller; select
     * and _run_once. One more belongs to what had called the loop. */
    CALLS_TO_THE_WAIT = 2,
};

void loop_position_take(struct loop_position *position, const struct incident *incident)
{
    const struct stack_trace *trace = thread_stack_trace();
    unsigned own = thread_stack_own_frames();
    unsigned count = trace->count - own;
    position->taken = true;
    position->count = 0;
    position->python_count = 0;
    if (trace->end == STACK_END_COMPLETE && count <= POSITION_LIMIT)
        for (unsigned i = trace->count; i > own; i--)
            position->pc[position->count++] = trace->pc[i - 1];
    if (incident->python_omitted != 0 || incident->python_count > POSITION_LIMIT)
        return;
    for (unsigned i = incident->python_count; i > 0; i--) {
        position->python[position->python_count].code = incident->python[i - 1].code;
        position->python[position->python_count].instruction = incident->python[i - 1].instruction;
        position->python_count++;
    }
}

static bool python_is_left(const struct loop_position *position, const struct incident *incident)
{
    unsigned common = 0;
    unsigned count = incident->python_count;
    while (common < count && common < position->python_count &&
           incident->python[count - 1 - common].code == position->python[common].code &&
           incident->python[count - 1 - common].instruction == position->python[common].instruction)
        common++;
    return position->python_count - common > CALLS_TO_THE_WAIT;
}

static bool trace_is_left(const struct loop_position *position, const struct stack_trace *trace)
{
    unsigned common = 0;
    unsigned count = trace->count;
    while (common < count && common < position->count &&
           trace->pc[count - 1 - common] == position->pc[common])
        common++;
    return position->count - common > CALLS_TO_THE_WAIT;
}

bool loop_position_is_left(const struct loop_position *position, const struct incident *incident)
{
    const struct stack_trace *trace = thread_stack_trace();
    if (position->python_count != 0 && incident->python_count != 0 && incident->python_omitted == 0)
        return python_is_left(position, incident);
    if (position->python_count == 0 && position->count != 0 && trace->count != 0 &&
        trace->end == STACK_END_COMPLETE)
        return trace_is_left(position, trace);
    return false;
}
