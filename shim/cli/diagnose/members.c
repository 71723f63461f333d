// SPDX-License-Identifier: MIT
#include "cli/diagnose/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/names/demangle.h"
#include "cli/names/source_map.h"
#include "explain/member_stack.h"
#include "kernel/process_start.h"

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

/* As the program's author knows them. */
static void restore_names(int pid, const struct member *member)
{
    char root[64], name[SYMBOL_NAME_LIMIT / 2]; /* so that it fits into `where` as well */
    for (unsigned i = 0; i < member->frame_count; i++)
        if (demangle(space->frames[i].symbol, name, sizeof name))
            memcpy(space->frames[i].symbol, name, sizeof name);
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

void diagnosis_read_thread(int pid, int tid, struct member *member)
{
    const struct member_stack_wish wish = {.depth = MEMBER_FRAME_LIMIT,
                                           .python = true,
                                           .javascript = true,
                                           .perf_maps = true,
                                           .deadline_ns = clock_monotonic_ns() + BUDGET_NS};
    diagnosis_forget_thread(member);
    if (!have_memory())
        return;
    member_stack_read(workspace, pid, tid, &wish, space, member);
    restore_names(pid, member);
    member_stack_where(pid, member);
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
        diagnosis_read_thread(finding->chain[i].pid, finding->chain[i].tid, &members[i]);
        member_stack_excuse(finding->chain[i].pid, finding->chain[i].for_pid, &members[i]);
    }
}
