// SPDX-License-Identifier: MIT
#include "cli/status/unwatched.h"

#include <fcntl.h>
#include <string.h>

#include "cli/status/watched.h"
#include "kernel/proc_reader.h"
#include "kernel/status.h"

enum { NAMESPACE_LIMIT = 64 };

static bool read_namespace(int pid, char text[NAMESPACE_LIMIT])
{
    char path[PROC_PATH_LIMIT];
    proc_path(path, pid, 0, "ns/pid");
    return proc_link(AT_FDCWD, path, text, NAMESPACE_LIMIT) > 0;
}

/* The process that `of` knows as `pid`; NULL: it is not there, or not to be seen. */
static struct watched *find_member(struct watched_list *list, const struct watched *of, int pid)
{
    char own[NAMESPACE_LIMIT], other[NAMESPACE_LIMIT];
    struct status_field inner = {.name = "NSpid", .base = 10};
    if (of->page.pid == of->pid)
        return watched_find(list, pid);
    if (!read_namespace(of->pid, own))
        return NULL;
    for (size_t i = 0; i < list->count; i++) {
        struct watched *process = list->processes[i];
        if (read_namespace(process->pid, other) && strcmp(own, other) == 0 &&
            status_read(process->pid, 0, &inner, 1) && inner.value == (uint64_t)pid)
            return process;
    }
    return NULL;
}

static void name_member(struct watched_list *list, const struct watched *by,
                        const struct status_finding *finding, const struct status_member *member)
{
    struct watched *process = find_member(list, by, member->pid);
    const struct watched *other = member->for_pid ? find_member(list, by, member->for_pid) : NULL;
    /* One that has a page says itself what it waits for. */
    if (!process || process->state == PAGE_READ || process->named.by_pid != 0)
        return;
    if (!process->name[0])
        watched_name(process);
    process->named = (struct named_process){
        .by_pid = by->pid, .kind = finding->kind, .found_ns = finding->found_ns, .member = *member};
    process->named.member.pid = process->pid;
    process->named.member.for_pid = other ? other->pid : 0;
}

void name_the_unwatched(struct watched_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        list->processes[i]->named.by_pid = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct watched *process = list->processes[i];
        if (process->state != PAGE_READ)
            continue;
        for (uint32_t k = 0; k < process->page.finding_count; k++)
            for (uint32_t m = 0; m < process->page.findings[k].member_count; m++)
                name_member(list, process, &process->page.findings[k],
                            &process->page.findings[k].members[m]);
    }
}
