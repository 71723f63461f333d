// SPDX-License-Identifier: MIT
#include "cli/diagnose/members.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "explain/member_stack.h"

/* One thread: long, because a perf map may be large. */
#define BUDGET_NS ((uint64_t)2 * NS_PER_S)

static struct member_stack_workspace *workspace;
static struct member_stack_room *room;

static bool have_memory(void)
{
    if (!workspace)
        workspace = calloc(1, member_stack_workspace_size());
    if (!room)
        room = malloc(sizeof *room);
    return workspace && room;
}

/* The room is used again for the next thread: what it holds is copied. */
static const void *kept(const void *frames, unsigned *count, size_t size)
{
    void *copy = *count > 0 ? malloc(*count * size) : NULL;
    if (!copy)
        *count = 0;
    else
        memcpy(copy, frames, *count * size);
    return copy;
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
    member_stack_read(workspace, pid, tid, &wish, room, member);
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
    for (unsigned i = 0; i < finding->count; i++)
        diagnosis_read_thread(finding->chain[i].pid, finding->chain[i].tid, &members[i]);
}
