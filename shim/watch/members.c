// SPDX-License-Identifier: MIT
#include "watch/members.h"

#include <string.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "explain/python/member_python.h"
#include "explain/user_frame.h"
#include "kernel/object_reader.h"
#include "kernel/source_line.h"
#include "kernel/task.h"
#include "process/life.h"
#include "watch/context.h"
#include "watch/javascript_frames.h"
#include "watch/thread_stack.h"

static struct member
    *members; /* CHAIN_LIMIT of them, mapped when first needed; child: kept, a mapping */

static bool have_memory(void)
{
    if (members)
        return true;
    long made = raw_syscall(SYS_mmap, 0, CHAIN_LIMIT * sizeof *members, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    members = (struct member *)made;
    return true;
}

static void read_python(const struct chain_link *link, struct member *member)
{
    bool own = link->pid == atomic_load(&life->pid);
    struct memory_reader memory = own ? *context_memory() : memory_reader_process(link->pid);
    if (settings.number[SETTING_PYTHON] && (own || (context_permitted_access() & ACCESS_MEMORY)))
        member_read_python(&memory, link->pid, link->tid, settings_stack_depth(&settings), member);
}

static void read_source(const struct chain_link *link, struct member *member)
{
    int user = user_frame_python(member->python, member->python_count);
    if (user >= 0)
        source_line_read(link->pid, member->python[user].file, member->python[user].line,
                         member->source);
}

/* The C stack of a thread of this process, which sleeps in a call. */
static void read_own_stack(const struct chain_link *link, struct member *member)
{
    static struct incident incident; /* only for its frames; child: scratch */
    struct task_call call = task_read_call(link->tid);
    memset(&incident, 0, sizeof incident);
    thread_stack_clear();
    if (!thread_stack_wanted() || call.status != TASK_IN_CALL ||
        !stack_snapshot_take_pc_sp(context_memory(), call.pc, call.sp, thread_stack_snapshot()))
        return;
    thread_stack_unwind(context_memory());
    thread_stack_name(context_memory(), &incident);
    member->frames = incident.frames;
    member->frame_count = incident.frame_count;
    member->stack_complete = incident.stack_complete;
    javascript_frames_add(context_memory(), thread_stack_trace(), thread_stack_snapshot(),
                          &incident);
    member->javascript = incident.javascript;
    member->javascript_count = incident.javascript_count;
    member->javascript_omitted = incident.javascript_omitted;
}

static void read_member(const struct chain_link *link, bool own_stack, struct member *member)
{
    struct text_buffer text;
    member->where[0] = member->source[0] = '\0';
    member->python_count = member->python_omitted = member->frame_count = 0;
    member->javascript_count = member->javascript_omitted = 0;
    member->javascript = NULL;
    member->frames = NULL;
    member->note = NULL;
    if (settings_stack_depth(&settings) == 0)
        return;
    if (link->runtime == RUNTIME_PYTHON)
        read_python(link, member);
    read_source(link, member);
    if (own_stack)
        read_own_stack(link, member);
    text_init(&text, member->where, sizeof member->where);
    user_frame_words(&text, member->python, member->python_count, member->javascript,
                     member->javascript_count, member->frames, member->frame_count);
}

const struct member *members_read(const struct wait_finding *finding)
{
    if (!have_memory())
        return NULL;
    bool have_own = false; /* there is space for the C stack of one thread */
    for (unsigned i = 0; i < finding->count; i++) {
        bool own_stack = !have_own && finding->chain[i].pid == atomic_load(&life->pid);
        read_member(&finding->chain[i], own_stack, &members[i]);
        have_own |= own_stack;
    }
    return members;
}
