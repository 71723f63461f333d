// SPDX-License-Identifier: MIT
#include "explain/python/member_python.h"

#include "explain/python/python_stack.h"

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
    member->note = python_completeness_reason(facts.completeness);
}
