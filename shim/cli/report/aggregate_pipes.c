// SPDX-License-Identifier: MIT
/* Pipes that fill, deadlocks, and the drainer's work. */
#include "cli/report/aggregate_events.h"

#include <stdio.h>
#include <string.h>

#include "cli/report/aggregate.h"
#include "cli/report/event_finding.h"
#include "cli/report/event_stack.h"
#include "cli/report/stack_view.h"
#include "report/finding_text.h"

void fill_from_pipe(struct model *model, const struct event *event, struct slice *slice)
{
    const json_t *pipe = json_object_get(event->json, "pipe");
    slice->used = field_integer(pipe, "used", NONE);
    slice->capacity = field_integer(pipe, "capacity", NONE);
    slice->inode = (uint64_t)field_integer(pipe, "inode", 0);
    if (slice->inode == 0 || slice->used < 0)
        return;
    model_add_fill(model, &(struct fill_sample){.time = event->time,
                                                .process = event->process,
                                                .inode = slice->inode,
                                                .used = slice->used,
                                                .capacity = slice->capacity});
}

bool on_filling(struct model *model, const struct event *event)
{
    struct slice pipe;
    fill_from_pipe(model, event, &pipe);
    model->fillings++;
    return true;
}

static uint32_t chain_key(const struct deadlock *deadlock, const char *id)
{
    if (*id)
        return hash_bytes(0, id, strlen(id));
    uint32_t key = deadlock->kind; /* a sum: each member may begin the chain with itself */
    for (uint32_t i = 0; i < deadlock->member_count; i++)
        key += hash_bytes(0, &deadlock->members[i].pid, sizeof deadlock->members[i].pid);
    return key;
}

static string_id intern_text(struct model *model, const struct text_buffer *text)
{
    bool ends_line = text->length > 0 && text->data[text->length - 1] == '\n';
    return string_intern(&model->strings, text->data, text->length - ends_line);
}

/* In the words of the library's own log, and by the same code. */
static void render(struct model *model, const json_t *json, struct deadlock *to)
{
    static struct event_finding read;
    char lines[STRING_LENGTH_LIMIT];
    struct text_buffer text;
    if (!event_finding_read(json, &read))
        return;
    const struct finding_report report = {
        .finding = &read.finding, .blocked_ns = read.blocked_ns, .scans = 2};
    text_init(&text, lines, sizeof lines);
    if (to->kind != 0 && read.finding.kind == FINDING_DEADLOCK) /* of a newer version */
        text_format(&text, "STUCK %s", string_text(&model->strings, to->kind));
    else
        finding_text_first_line(&text, &report);
    to->verdict = intern_text(model, &text);
    for (unsigned i = 0; i < to->member_count && i < read.finding.count; i++) {
        text_init(&text, lines, sizeof lines);
        finding_text_link(&text, &read.finding.chain[i]);
        to->members[i].link = intern_text(model, &text);
        text_init(&text, lines, sizeof lines);
        finding_text_line(&text, &read.members[i]);
        to->members[i].code = intern_text(model, &text);
    }
}

/* Who could not read the others' memory has only its own line: each member's log has that one. */
static void take_lines(struct deadlock *to, const struct deadlock *from)
{
    for (uint32_t i = 0; i < to->member_count; i++) {
        struct chain_member *member = &to->members[i];
        for (uint32_t k = 0; k < from->member_count && member->where == 0; k++) {
            const struct chain_member *same = &from->members[k];
            if (same->pid != member->pid)
                continue;
            member->where = same->where;
            member->source = same->source;
            member->code = same->code;
            member->frame = same->frame;
        }
    }
}

void aggregate_lines(struct model *model)
{
    static struct member member;
    char lines[STRING_LENGTH_LIMIT], function[FRAME_TEXT_LIMIT];
    struct text_buffer text;
    for (uint32_t i = 0; i < model->deadlock_count; i++) {
        for (uint32_t k = 0; k < model->deadlocks[i].member_count; k++) {
            struct chain_member *to = &model->deadlocks[i].members[k];
            const struct frame *frame = to->frame != 0 ? &model->frames[to->frame - 1] : NULL;
            if (!frame || frame->source == 0)
                continue;
            snprintf(member.where, sizeof member.where, "%s:%u %s",
                     model_text(model, frame->source), frame->line,
                     frame_function(model, frame, function));
            to->where = intern(model, member.where);
            text_init(&text, lines, sizeof lines);
            finding_text_line(&text, &member);
            to->code = intern_text(model, &text);
        }
    }
}

bool on_deadlock(struct model *model, const struct event *event)
{
    const json_t *chain = json_object_get(event->json, "chain");
    struct deadlock found = {.time = event->time, .process = event->process, .count = 1};
    size_t size = json_array_size(chain);
    if (size == 0)
        return false;
    for (size_t i = 0; i < size && i < CHAIN_MEMBERS_LIMIT; i++) {
        const json_t *member = json_array_get(chain, i);
        found.members[found.member_count++] =
            (struct chain_member){.name = intern_field(model, member, "name"),
                                  .where = intern_field(model, member, "where"),
                                  .source = intern_field(model, member, "source"),
                                  .pid = field_small(member, "pid"),
                                  .for_pid = field_small(member, "for_pid"),
                                  .comm = intern_field(model, member, "comm"),
                                  .waits_in = intern_field(model, member, "waits_in"),
                                  .object = intern_field(model, member, "object"),
                                  .frame = event_user_frame(model, member, false)};
    }
    if (strcmp(field_string(event->json, "event"), "finding") == 0)
        found.kind = intern_field(model, event->json,
                                  *field_string(event->json, "kind") ? "kind" : "finding");
    render(model, event->json, &found);
    found.words = intern_field(model, event->json, "words");
    found.rescue = intern_field(model, event->json, "rescue");
    found.advice = intern_field(model, event->json, "advice");
    found.key = chain_key(&found, field_string(event->json, "id"));
    for (uint32_t i = 0; i < model->deadlock_count; i++) {
        if (model->deadlocks[i].key == found.key) {
            model->deadlocks[i].count++;
            take_lines(&model->deadlocks[i], &found);
            return true;
        }
    }
    if (model->deadlock_count == DEADLOCK_LIMIT)
        model->overflow.deadlocks++;
    else
        model->deadlocks[model->deadlock_count++] = found;
    return true;
}

static struct drain *find_drain(struct model *model, const struct event *event)
{
    int32_t fd = field_small(event->json, "fd");
    for (uint32_t i = 0; i < model->drain_count; i++)
        if (model->drains[i].process == event->process && model->drains[i].fd == fd)
            return &model->drains[i];
    if (model->drain_count == DRAIN_LIMIT) {
        model->overflow.drains++;
        return NULL;
    }
    struct drain *drain = &model->drains[model->drain_count++];
    *drain = (struct drain){
        .process = event->process, .fd = fd, .object = intern_field(model, event->json, "object")};
    return drain;
}

bool on_drain_start(struct model *model, const struct event *event)
{
    find_drain(model, event);
    return true;
}

bool on_drain_end(struct model *model, const struct event *event)
{
    struct drain *drain = find_drain(model, event);
    int64_t elapsed = field_milliseconds(event->json, "ms");
    int64_t peak = field_integer(event->json, "peak_bytes", 0);
    model->drains_ended++;
    if (drain) {
        drain->count++;
        drain->total += elapsed > 0 ? elapsed : 0;
        if (peak > 0 && (uint64_t)peak > drain->peak_bytes)
            drain->peak_bytes = (uint64_t)peak;
    }
    if (elapsed < 0)
        return false;
    model_add_slice(model, &(struct slice){.start = event->time - elapsed,
                                           .duration = elapsed,
                                           .thread = event->thread,
                                           .kind = SLICE_DRAIN,
                                           .fd = field_small(event->json, "fd"),
                                           .peer_pid = NONE,
                                           .object = intern_field(model, event->json, "object"),
                                           .used = peak,
                                           .capacity = NONE});
    return true;
}

bool on_drain_drop(struct model *model, const struct event *event)
{
    add_positive(&model->dropped_bytes, field_integer(event->json, "bytes", 0));
    add_positive(&model->dropped_writes, field_integer(event->json, "writes", 0));
    return true;
}

bool on_drain_handoff(struct model *model, const struct event *event)
{
    add_positive(&model->handed_bytes, field_integer(event->json, "bytes", 0));
    add_positive(&model->handed_writes, field_integer(event->json, "writes", 0));
    return true;
}
