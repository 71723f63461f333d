// SPDX-License-Identifier: MIT
#include "cli/diagnose/members.h"

#include <string.h>

#include "explain/python/member_python.h"
#include "explain/user_frame.h"
#include "kernel/process_name.h"
#include "kernel/source_line.h"
#include "kernel/status.h"

/* A thread's id as its own process knows it, by which an interpreter names it. */
static int inner_tid(int pid, int tid)
{
    struct status_field inner = {.name = "NSpid", .base = 10};
    return status_read(pid, tid, &inner, 1) && inner.value != 0 ? (int)inner.value : tid;
}

void diagnosis_read_thread(int pid, int tid, struct member *member)
{
    struct text_buffer text;
    memset(member, 0, sizeof *member);
    if (process_runtime(pid) == RUNTIME_PYTHON) {
        struct memory_reader memory = memory_reader_process(pid);
        member_read_python(&memory, pid, inner_tid(pid, tid), MEMBER_PYTHON_LIMIT, member);
    }
    text_init(&text, member->where, sizeof member->where);
    user_frame_words(&text, member->python, member->python_count, NULL, 0, member->frames,
                     member->frame_count);
    int user = user_frame_python(member->python, member->python_count);
    if (user >= 0)
        source_line_read(pid, member->python[user].file, member->python[user].line, member->source);
}

void diagnosis_read_members(const struct wait_finding *finding, struct member *members)
{
    for (unsigned i = 0; i < finding->count; i++)
        diagnosis_read_thread(finding->chain[i].pid, finding->chain[i].tid, &members[i]);
}
