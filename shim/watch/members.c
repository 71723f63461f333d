// SPDX-License-Identifier: MIT
#include "watch/members.h"

#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "explain/member_stack.h"
#include "explain/perl/perl_line.h"
#include "explain/python/member_python.h"
#include "explain/shell_line.h"
#include "explain/shell_redirection.h"
#include "explain/symbols.h"
#include "explain/user_frame.h"
#include "kernel/object_reader.h"
#include "kernel/thread_moment.h"
#include "process/life.h"
#include "watch/context.h"
#include "watch/javascript_frames.h"
#include "watch/thread_stack.h"

/* All members of one chain may take so long together: Node's symbols are many. On a busy machine
 * the same work takes longer, and a disk may be slow. */
#define CPU_BUDGET_NS ((uint64_t)100 * NS_PER_MS)
#define BUDGET_NS     ((uint64_t)NS_PER_S)

/* Of one chain, mapped when first needed. child: kept, it is a mapping */
static struct {
    struct member member[CHAIN_LIMIT];
    struct member_stack_space spaces[CHAIN_LIMIT];
    struct stack_trace trace;
    unsigned char work[] __attribute__((aligned(16)));
} * members;

static bool have_memory(void)
{
    if (members)
        return true;
    long made =
        raw_syscall(SYS_mmap, 0, sizeof *members + member_stack_workspace_size(),
                    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    members = (void *)made;
    return true;
}

/* A thread of another process, or a further one of this process. */
static void read_stack(const struct chain_link *link, const struct member_stack_wish *wish,
                       struct member_stack_space *space, struct member *member)
{
    if (context_permitted_access() & ACCESS_MEMORY)
        member_stack_read((struct member_stack_workspace *)members->work, link->pid, link->tid,
                          wish, space, member);
    else
        member->note = "its stack may not be read under this program's seccomp filter";
}

static void read_own_interpreter(const struct chain_link *link, struct member *member)
{
    if (link->runtime == RUNTIME_SHELL)
        shell_line_read(context_memory(), link->pid, member);
    if (link->runtime == RUNTIME_PERL)
        perl_line_read(context_memory(), link->pid, link->tid, member);
    unsigned depth = settings_stack_depth(&settings);
    if (!settings.number[SETTING_PYTHON] || link->runtime != RUNTIME_PYTHON)
        return;
    member_read_python(context_memory(), link->pid, link->tid, depth, member);
    /* asyncio waits for its children in threads of its own, in which nothing is the user's. */
    if (link->tid != link->pid && user_frame_python(member->python, member->python_count) < 0)
        member_read_python(context_memory(), link->pid, link->pid, depth, member);
}

/* The C and JavaScript stacks of a thread of this process. */
static void read_own_frames(const struct thread_moment *moment, struct member *member)
{
    static struct incident incident; /* only for its frames; child: scratch */
    memset(&incident, 0, sizeof incident);
    thread_stack_clear();
    if (!stack_snapshot_take_pc_sp(context_memory(), moment->pc, moment->sp,
                                   thread_stack_snapshot()))
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

/* Of a thread of this process, as far as it slept all the time. */
static void read_own_stack(const struct chain_link *link, struct member *member)
{
    struct thread_moment before, after;
    thread_moment_read(link->pid, link->tid, &before);
    read_own_interpreter(link, member);
    if (before.status == MOMENT_ASLEEP)
        read_own_frames(&before, member);
    thread_moment_read(link->pid, link->tid, &after);
    if (before.status != MOMENT_ASLEEP || thread_moment_same(&before, &after))
        return;
    memset(member, 0, sizeof *member);
    member->note = "it ran on while its stack was read: nothing of that is certain";
}

const struct member *members_read(const struct wait_finding *finding)
{
    if (!have_memory())
        return NULL;
    const struct member_stack_wish wish = {
        .depth = settings_stack_depth(&settings),
        .python = settings.number[SETTING_PYTHON],
        .javascript = settings.number[SETTING_JAVASCRIPT],
        .deadline_ns = clock_monotonic_ns() + BUDGET_NS,
        .cpu_deadline_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) + CPU_BUDGET_NS};
    bool have_own = false; /* the C stack of one thread has its own memory */
    for (unsigned i = 0; i < finding->count; i++) {
        const struct chain_link *link = &finding->chain[i];
        struct member *member = &members->member[i];
        memset(member, 0, sizeof *member);
        if (settings_stack_depth(&settings) == 0)
            continue;
        if (!have_own && link->pid == atomic_load(&life->pid)) {
            have_own = true;
            read_own_stack(link, member);
        } else {
            read_stack(link, &wish, &members->spaces[i], member);
        }
        member_stack_where(link->pid, member);
        if (link->wait == WAIT_OPEN && link->runtime == RUNTIME_SHELL)
            shell_redirection_read(link->pid, link->object, member);
        member_stack_excuse(link->pid, link->for_pid, member);
    }
    return members->member;
}

const struct member *members_of_address(const struct wait_finding *finding, uint64_t pc)
{
    if (pc == 0 || settings_stack_depth(&settings) == 0 || !have_memory())
        return NULL;
    for (unsigned i = 0; i < finding->count; i++)
        memset(&members->member[i], 0, sizeof members->member[i]);
    struct member *member = &members->member[0];
    members->trace = (struct stack_trace){.count = 1, .end = STACK_END_LOST, .pc = {pc}};
    member->frames = members->spaces[0].frames;
    member->frame_count = (unsigned)symbolize(&members->trace, modules_own(), context_memory(),
                                              members->spaces[0].frames, 1);
    member_stack_where(finding->chain[0].pid, member);
    return members->member;
}
