// SPDX-License-Identifier: MIT
#include "cli/report/event_finding.h"

#include <stdio.h>
#include <string.h>

#include "cli/report/event_fields.h"

static void take(const json_t *object, const char *key, char *to, size_t capacity)
{
    snprintf(to, capacity, "%s", field_string(object, key));
}

static enum finding_kind kind_of(const json_t *event)
{
    const char *name = field_string(event, "kind");
    if (!*name)
        name = field_string(event, "finding");
    for (int kind = 0; *finding_name((enum finding_kind)kind); kind++) {
        if (strcmp(finding_name((enum finding_kind)kind), name) == 0)
            return (enum finding_kind)kind;
    }
    return FINDING_DEADLOCK;
}

static enum wait_reason reason_of(const json_t *link)
{
    static const struct {
        const char *name;
        enum wait_reason reason;
    } reasons[] = {{"room", REASON_SPACE}, {"child", REASON_CHILD}, {"signal", REASON_SIGNAL},
                   {"lock", REASON_LOCK},  {"input", REASON_INPUT}, {"thread", REASON_FUTEX}};
    for (unsigned i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (strcmp(field_string(link, "waits_for"), reasons[i].name) == 0)
            return reasons[i].reason;
    }
    return REASON_NONE;
}

static void read_link(const json_t *from, struct chain_link *link)
{
    const json_t *pipe = json_object_get(from, "pipe");
    link->pid = field_small(from, "pid");
    link->tid = field_small(from, "tid");
    link->for_pid = field_small(from, "for_pid");
    take(from, "comm", link->comm, sizeof link->comm);
    take(from, *field_string(from, "name") ? "name" : "comm", link->name, sizeof link->name);
    take(from, "for_name", link->for_name, sizeof link->for_name);
    take(from, "waits_in", link->waits_in, sizeof link->waits_in);
    take(from, "object", link->object, sizeof link->object);
    link->reason = pipe ? REASON_SPACE : reason_of(from);
    link->own_fd = field_small(from, "fd");
    link->peer_fd = field_small(from, "for_fd");
    link->used = field_integer(pipe, "used", UNKNOWN_NUMBER);
    link->capacity = field_integer(pipe, "capacity", UNKNOWN_NUMBER);
    link->slots = field_integer(pipe, "slots", UNKNOWN_NUMBER);
    link->full = pipe ? field_true(pipe, "full") : UNKNOWN_NUMBER;
}

static void read_member(const json_t *from, struct member *member)
{
    const json_t *python = json_object_get(from, "python");
    take(from, "where", member->where, sizeof member->where);
    member->where_column = field_small(from, "column");
    member->where_generated = field_true(from, "generated");
    take(from, "source", member->source, sizeof member->source);
    for (size_t i = 0; i < json_array_size(python) && i < MEMBER_PYTHON_LIMIT; i++) {
        const json_t *frame = json_array_get(python, i);
        struct python_frame *to = &member->python[member->python_count++];
        take(frame, "file", to->file, sizeof to->file);
        take(frame, "function", to->function, sizeof to->function);
        to->line = (int)field_integer(frame, "line", 0);
        to->awaits = field_true(frame, "awaits");
    }
}

static void name_who_is_waited_for(const struct wait_finding *finding, struct chain_link *link)
{
    for (unsigned i = 0; i < finding->count && link->for_name[0] == '\0'; i++)
        if (finding->chain[i].pid == link->for_pid)
            memcpy(link->for_name, finding->chain[i].name, sizeof link->for_name);
}

bool event_finding_read(const json_t *event, struct event_finding *to)
{
    const char *name = field_string(event, "event");
    const json_t *chain = json_object_get(event, "chain");
    memset(to, 0, sizeof *to);
    if (strcmp(name, "deadlock") != 0 && strcmp(name, "finding") != 0)
        return false;
    struct wait_finding *finding = &to->finding;
    finding->kind = strcmp(name, "deadlock") == 0 ? FINDING_DEADLOCK : kind_of(event);
    finding->likely = strcmp(field_string(event, "certainty"), "likely") == 0;
    take(event, "words", finding->words, sizeof finding->words);
    take(event, "advice", finding->advice, sizeof finding->advice);
    take(event, "rescue", finding->rescue, sizeof finding->rescue);
    for (size_t i = 0; i < json_array_size(chain) && i < CHAIN_LIMIT; i++) {
        read_link(json_array_get(chain, i), &finding->chain[i]);
        read_member(json_array_get(chain, i), &to->members[i]);
        finding->count++;
    }
    for (unsigned i = 0; i < finding->count; i++)
        name_who_is_waited_for(finding, &finding->chain[i]);
    int64_t blocked_us = field_milliseconds(event, "blocked_ms");
    to->blocked_ns = blocked_us > 0 ? (uint64_t)blocked_us * 1000 : 0;
    return true;
}
