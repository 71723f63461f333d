// SPDX-License-Identifier: MIT
#include "explain/python/python_stack.h"

#include "explain/python/python_walk.h"

const char *python_completeness_reason(enum python_completeness completeness)
{
    switch (completeness) {
    case PYTHON_STACK_LOST:
        return "python: outer frames could not be read";
    case PYTHON_STACK_OUTER:
        return "python: the thread is running, its innermost functions changed too fast to be read";
    case PYTHON_STACK_MOVING:
        return "python: the thread is running, C stack only";
    case PYTHON_STACK_SUBINTERPRETER:
        return "python: subinterpreter, C stack only";
    case PYTHON_STACK_UNREADABLE:
        return "python: threads could not be read, C stack only";
    default:
        return NULL;
    }
}

static unsigned read_chain(const struct walker *walker, uintptr_t innermost,
                           struct python_frame *out, unsigned limit,
                           struct python_stack_facts *facts)
{
    struct frame_cursor cursor;
    unsigned count = 0;
    uintptr_t last_file = 0;
    enum step step;
    python_cursor_start(&cursor, innermost, false);
    while ((step = python_next_frame(walker, &cursor)) == STEP_FRAME) {
        if (count < limit)
            python_name_frame(walker, &cursor, out, count++, &last_file);
        else
            facts->omitted++;
    }
    python_set_completeness(step, &cursor, count == limit, facts);
    return count;
}

unsigned python_read_stack(const struct python_runtime *runtime, const struct memory_reader *reader,
                           int tid, struct python_frame *out, unsigned limit,
                           struct python_stack_facts *facts)
{
    *facts = (struct python_stack_facts){.completeness = PYTHON_STACK_NONE};
    if (runtime->support != PYTHON_SUPPORTED)
        return 0;
    struct walker walker = python_walker_start(runtime, reader);
    struct thread_position position;
    facts->completeness = python_find_thread(&walker, tid, &position);
    if (facts->completeness != PYTHON_STACK_COMPLETE)
        return 0;
    return read_chain(&walker, position.frame, out, limit, facts);
}
