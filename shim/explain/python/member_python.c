// SPDX-License-Identifier: MIT
#include "explain/python/member_python.h"

#include "explain/python/python_stack.h"
#include "explain/user_frame.h"
#include "kernel/status.h"

static void read_frames(const struct python_runtime *runtime, const struct memory_reader *memory,
                        int tid, unsigned limit, struct member *member)
{
    struct python_stack_facts facts;
    member->python_count = python_read_stack(runtime, memory, tid, member->python, limit, &facts);
    member->python_omitted = facts.omitted;
    member->note = python_completeness_reason(facts.completeness);
}

void member_read_python(const struct memory_reader *memory, int pid, int tid, unsigned limit,
                        struct member *member)
{
    /* The interpreter of a container knows its threads by the ids of its own namespace. */
    struct status_field inner = {.name = "NSpid", .base = 10};
    int main_tid = status_read(pid, pid, &inner, 1) && inner.value != 0 ? (int)inner.value : pid;
    struct python_runtime runtime;
    if (limit > MEMBER_PYTHON_LIMIT)
        limit = MEMBER_PYTHON_LIMIT;
    if (!python_runtime_find(memory, pid, &runtime)) {
        member->note = "its Python frames may not be read, or are of an unknown version";
        return;
    }
    read_frames(&runtime, memory, tid, limit, member);
    if (tid != main_tid && user_frame_python(member->python, member->python_count) < 0)
        read_frames(&runtime, memory, main_tid, limit, member);
}
