// SPDX-License-Identifier: MIT
#include "cli/diagnose/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/names/demangle.h"
#include "cli/names/native_line.h"
#include "cli/names/source_map.h"
#include "explain/member_stack.h"
#include "explain/shell_redirection.h"
#include "explain/user_frame.h"
#include "kernel/process_start.h"
#include "kernel/source_line.h"

/* One thread: long, because a perf map may be large. */
#define BUDGET_NS ((uint64_t)2 * NS_PER_S)

static struct member_stack_workspace *workspace;
static struct member_stack_space *space;

static bool have_memory(void)
{
    if (!workspace)
        workspace = calloc(1, member_stack_workspace_size());
    if (!space)
        space = malloc(sizeof *space);
    return workspace && space;
}

/* The space is used again for the next thread: what it holds is copied. */
static const void *kept(const void *frames, unsigned *count, size_t size)
{
    void *copy = *count > 0 ? malloc(*count * size) : NULL;
    if (!copy)
        *count = 0;
    else
        memcpy(copy, frames, *count * size);
    return copy;
}

/* Of generated JavaScript its author's file. */
static void restore_javascript(int pid, const struct member *member)
{
    char root[64];
    if (member->javascript_count == 0)
        return;
    int64_t start_ns = process_start_ns(pid);
    snprintf(root, sizeof root, "/proc/%d/root", pid);
    for (unsigned i = 0; i < member->javascript_count; i++) {
        struct javascript_frame *frame = &space->javascript[i];
        struct source_place place;
        if (!frame->generated ||
            !source_place_find(root, frame->file, start_ns, frame->line, frame->column, &place) ||
            strlen(place.file) >= sizeof frame->file)
            continue;
        memcpy(frame->file, place.file, strlen(place.file) + 1);
        frame->line = place.line;
        frame->column = place.column;
        frame->generated = false;
    }
}

/* C++ and Rust as their authors wrote them. After the user's frame was chosen, which goes by what
 * the compiler wrote. */
static void demangle_frames(const struct member *member)
{
    char name[SYMBOL_NAME_LIMIT / 2]; /* so that it fits into `where` as well */
    for (unsigned i = 0; i < member->frame_count; i++)
        if (demangle(space->frames[i].symbol, name, sizeof name))
            memcpy(space->frames[i].symbol, name, sizeof name);
}

/* `frame`: of native code, -1: the user's line is an interpreter's. With debug information it has a
 * line as well. */
static void restore_where(int pid, int frame, struct member *member)
{
    struct native_line line;
    char where[WHERE_LIMIT];
    if (frame < 0)
        return;
    const struct stack_frame_name *native = &member->frames[frame];
    if (!native_line_find(pid, native, frame > 0, &line)) {
        if (demangle_last_word(member->where, where, sizeof where))
            memcpy(member->where, where, sizeof where);
        return;
    }
    char name[SYMBOL_NAME_LIMIT / 2];
    bool mangled = demangle(native->symbol, name, sizeof name);
    snprintf(where, sizeof where, "%s:%d %.255s", line.file, line.line,
             mangled ? name : native->symbol);
    memcpy(member->where, where, sizeof where);
    source_line_read(pid, line.file, line.line, member->source);
}

/* The frame that member_stack_where() has the line of, if that is one of native code. */
static int native_user_frame(const struct member *member)
{
    return member->where[0] && user_frame_python(member->python, member->python_count) < 0 &&
                   user_frame_javascript(member->javascript, member->javascript_count) < 0
               ? user_frame_native(member->frames, member->frame_count)
               : -1;
}

void diagnosis_read_thread(int pid, int tid, struct member *member)
{
    const struct member_stack_wish wish = {.depth = MEMBER_FRAME_LIMIT,
                                           .python = true,
                                           .javascript = true,
                                           .perf_maps = true,
                                           .deadline_ns = clock_monotonic_ns() + BUDGET_NS,
                                           .cpu_deadline_ns = UINT64_MAX};
    diagnosis_forget_thread(member);
    if (!have_memory())
        return;
    member_stack_read(workspace, pid, tid, &wish, space, member);
    restore_javascript(pid, member);
    bool has_line = member->where[0] != '\0'; /* a shell's or Perl's, whatever its C stack says */
    member_stack_where(pid, member);
    restore_where(pid, has_line ? -1 : native_user_frame(member), member);
    demangle_frames(member);
    member->frames = kept(member->frames, &member->frame_count, sizeof *member->frames);
    member->javascript =
        kept(member->javascript, &member->javascript_count, sizeof *member->javascript);
}

void diagnosis_forget_thread(struct member *member)
{
    free((void *)member->frames);
    free((void *)member->javascript);
    memset(member, 0, sizeof *member);
}

void diagnosis_read_members(const struct wait_finding *finding, struct member *members)
{
    for (unsigned i = 0; i < finding->count; i++) {
        const struct chain_link *link = &finding->chain[i];
        diagnosis_read_thread(link->pid, link->tid, &members[i]);
        if (link->wait == WAIT_OPEN && link->runtime == RUNTIME_SHELL)
            shell_redirection_read(link->pid, link->object, &members[i]);
        member_stack_excuse(link->pid, link->for_pid, &members[i]);
    }
}
