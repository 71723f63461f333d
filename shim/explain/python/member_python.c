// SPDX-License-Identifier: MIT
#include "explain/python/member_python.h"

#include <string.h>

#include "explain/python/python_await.h"
#include "explain/python/python_stack.h"

static void reverse(struct python_frame *frames, unsigned count)
{
    for (unsigned low = 0, high = count; low + 1 < high; low++) {
        struct python_frame frame = frames[low];
        frames[low] = frames[--high];
        frames[high] = frame;
    }
}

/* Before the stack of a loop that sleeps: where its main task waits. */
static void add_awaits(const struct python_runtime *runtime, const struct memory_reader *memory,
                       unsigned limit, struct member *member)
{
    /* Half of the space at most: the stack ends in what started the loop. The frames are read into
     * the unused end, or over the outermost of the stack. */
    unsigned space = limit / 2, count = member->python_count;
    unsigned kept = count + space <= limit ? count : limit - space;
    struct python_frame *awaits = &member->python[kept];
    unsigned added = python_read_awaits(runtime, memory, member->python, kept, awaits, space);
    if (added == 0)
        return;
    /* Rotates: a frame is large, and the watchdog's stack small. */
    reverse(member->python, kept);
    reverse(awaits, added);
    reverse(member->python, kept + added);
    member->python_count = kept + added;
    member->python_omitted += count - kept;
}

void member_read_python(const struct memory_reader *memory, int pid, int tid, unsigned limit,
                        struct member *member)
{
    struct python_runtime runtime;
    struct python_stack_facts facts;
    if (limit > MEMBER_PYTHON_LIMIT)
        limit = MEMBER_PYTHON_LIMIT;
    if (!python_runtime_find(memory, pid, &runtime)) {
        member->note = "its Python frames may not be read, or are of an unknown version";
        return;
    }
    member->python_count = python_read_stack(&runtime, memory, tid, member->python, limit, &facts);
    member->python_omitted = facts.omitted;
    add_awaits(&runtime, memory, limit, member);
    member->note = python_completeness_reason(facts.completeness);
}
