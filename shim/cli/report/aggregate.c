// SPDX-License-Identifier: MIT
#include "cli/report/aggregate.h"

#include <stdio.h>
#include <string.h>

#include "cli/report/event_fields.h"
#include "cli/report/event_peer.h"
#include "cli/report/event_stack.h"
#include "cli/report/stack_view.h"

struct event {
    const json_t *json;
    int64_t time;
    uint64_t seq;
    uint32_t process;
    uint32_t thread;
};

static string_id intern(struct model *model, const char *text)
{
    return string_intern(&model->strings, text, strlen(text));
}

static string_id intern_field(struct model *model, const json_t *object, const char *key)
{
    return intern(model, field_string(object, key));
}

/* ---- processes ---- */

static void touch_process(struct model *model, struct process *process, const struct event *event)
{
    process->events++;
    if (event->seq < process->first_seq)
        process->first_seq = event->seq;
    if (event->seq > process->last_seq)
        process->last_seq = event->seq;
    if (event->time < process->first_time)
        process->first_time = event->time;
    if (event->time > process->last_time)
        process->last_time = event->time;
    string_id exe = intern(model, base_name(field_string(event->json, "exe")));
    if (exe != 0)
        process->exe = exe;
    if (event->time < model->first_time)
        model->first_time = event->time;
    if (event->time > model->last_time)
        model->last_time = event->time;
}

/* ---- open calls ---- */

static uint32_t open_slot(uint32_t process, uint64_t seq)
{
    uint64_t key[2] = {process, seq};
    return hash_bytes(0, key, sizeof key) % OPEN_LIMIT;
}

enum { OPEN_PROBES = 64 };

static struct open_call *find_open(struct model *model, uint32_t process, uint64_t seq)
{
    uint32_t slot = open_slot(process, seq);
    for (unsigned i = 0; i < OPEN_PROBES; i++) {
        struct open_call *open = &model->open[(slot + i) % OPEN_LIMIT];
        if (open->used && open->process == process && open->seq == seq)
            return open;
    }
    return NULL;
}

static void close_open(struct model *model, struct open_call *open)
{
    model_add_slice(model, &open->slice);
    open->used = false;
}

static void add_open(struct model *model, const struct event *event, const struct slice *slice)
{
    uint32_t slot = open_slot(event->process, event->seq);
    for (unsigned i = 0; i < OPEN_PROBES; i++) {
        struct open_call *open = &model->open[(slot + i) % OPEN_LIMIT];
        if (open->used)
            continue;
        *open = (struct open_call){
            .process = event->process, .seq = event->seq, .slice = *slice, .used = true};
        return;
    }
    model->overflow.open++;
    struct slice lone = *slice;
    lone.flags |= SLICE_END_UNKNOWN;
    model_add_slice(model, &lone);
}

/* ---- the other end ---- */

static void count_peer(struct model *model, struct call_site *site, const json_t *json)
{
    char text[PEER_TEXT_LIMIT];
    int32_t pid;
    peer_text(json, true, text, sizeof text, &pid);
    if (!*text)
        return;
    site->peer_count++;
    string_id id = intern(model, text);
    for (unsigned i = 0; i < PEER_KINDS_LIMIT; i++) {
        struct peer_kind *kind = &site->peers[i];
        if (kind->count == 0)
            kind->text = id;
        if (kind->text == id) {
            kind->count++;
            kind->pid = pid;
            return;
        }
    }
}

/* ---- one function a kind of event; false: it lacks what it needs ---- */

static void fill_from_pipe(struct model *model, const struct event *event, struct slice *slice)
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

/* The same thread in a new call: it did return from the one before, but that line is lost. */
static void close_superseded(struct model *model, const struct event *event, uint8_t kind,
                             int64_t start)
{
    const struct thread *thread = &model->threads[event->thread];
    struct open_call *before = thread->open_seq[kind]
                                   ? find_open(model, event->process, thread->open_seq[kind] - 1)
                                   : NULL;
    if (!before || before->slice.start >= start)
        return;
    before->slice.flags |= SLICE_END_UNKNOWN;
    close_open(model, before);
}

static bool add_begin(struct model *model, const struct event *event, uint8_t kind, int64_t elapsed)
{
    if (elapsed < 0)
        return false;
    struct call_site like = {.kind = kind == SLICE_LAG ? SITE_LAG : SITE_CALL,
                             .exe = model->processes[event->process].exe};
    if (kind == SLICE_LAG) {
        like.call = intern(model, "event loop away");
        like.class_name = intern_field(model, event->json, "cause");
    } else {
        like.call = intern_field(model, event->json, "call");
        like.class_name = intern_field(model, event->json, "class");
        if (like.call == 0)
            return false;
    }
    uint32_t site_index = event_site(model, event->process, event->json, &like);
    struct call_site *site = &model->sites[site_index];
    site->on_loop |= field_true(event->json, "loop");
    string_id advice = intern_field(model, event->json, "advice");
    string_id note = intern_field(model, event->json, "note");
    if (advice != 0)
        site->advice = advice;
    if (note != 0)
        site->note = note;
    count_peer(model, site, event->json);

    char peer[PEER_TEXT_LIMIT];
    struct slice slice = {.start = event->time - elapsed,
                          .duration = elapsed,
                          .site = site_index,
                          .thread = event->thread,
                          .kind = kind,
                          .flags = field_true(event->json, "loop") ? SLICE_ON_LOOP : 0,
                          .fd = field_small(event->json, "fd"),
                          .object = intern_field(model, event->json, "object")};
    peer_text(event->json, false, peer, sizeof peer, &slice.peer_pid);
    slice.peer = intern(model, peer);
    fill_from_pipe(model, event, &slice);
    close_superseded(model, event, kind, slice.start);
    add_open(model, event, &slice);
    model->threads[event->thread].open_seq[kind] = event->seq + 1;
    return true;
}

static bool add_end(struct model *model, const struct event *event, int64_t elapsed)
{
    int64_t ref = field_integer(event->json, "ref", NONE);
    if (ref < 0)
        return false;
    struct open_call *open = find_open(model, event->process, (uint64_t)ref);
    if (!open) {
        model->odd.orphans++;
        return true;
    }
    int64_t until = event->time - open->slice.start;
    open->slice.duration = elapsed >= 0 ? elapsed : until > 0 ? until : 0;
    close_open(model, open);
    return true;
}

static void add_cause(struct model *model, const char *name, int64_t duration)
{
    string_id id = intern(model, name);
    uint32_t i = 0;
    while (i < model->cause_count && model->causes[i].name != id)
        i++;
    if (i == CAUSE_LIMIT)
        return;
    if (i == model->cause_count)
        model->causes[model->cause_count++].name = id;
    model->causes[i].total += duration;
}

static bool on_lag_end(struct model *model, const struct event *event)
{
    json_t *causes = json_object_get(event->json, "cause");
    const char *name;
    json_t *share;
    json_object_foreach(causes, name, share)
    {
        int64_t duration = value_milliseconds(share);
        if (duration > 0)
            add_cause(model, name, duration);
    }
    return add_end(model, event, field_milliseconds(event->json, "lag_ms"));
}

static bool on_blocked(struct model *model, const struct event *event)
{
    return add_begin(model, event, SLICE_CALL, field_milliseconds(event->json, "blocked_ms"));
}

static bool on_unblocked(struct model *model, const struct event *event)
{
    return add_end(model, event, field_milliseconds(event->json, "blocked_ms"));
}

static bool on_lag(struct model *model, const struct event *event)
{
    return add_begin(model, event, SLICE_LAG, field_milliseconds(event->json, "lag_ms"));
}

static bool on_filling(struct model *model, const struct event *event)
{
    struct slice pipe;
    fill_from_pipe(model, event, &pipe);
    model->fillings++;
    return true;
}

static uint32_t chain_key(const struct deadlock *deadlock)
{
    uint32_t key = 0; /* a sum: each member may begin the chain with itself */
    for (uint32_t i = 0; i < deadlock->member_count; i++)
        key += hash_bytes(0, &deadlock->members[i].pid, sizeof deadlock->members[i].pid);
    return key;
}

static bool on_deadlock(struct model *model, const struct event *event)
{
    const json_t *chain = json_object_get(event->json, "chain");
    struct deadlock found = {.time = event->time, .process = event->process, .count = 1};
    size_t size = json_array_size(chain);
    if (size == 0)
        return false;
    for (size_t i = 0; i < size && i < CHAIN_LIMIT; i++) {
        const json_t *member = json_array_get(chain, i);
        found.members[found.member_count++] =
            (struct chain_member){.pid = field_small(member, "pid"),
                                  .for_pid = field_small(member, "for_pid"),
                                  .comm = intern_field(model, member, "comm"),
                                  .waits_in = intern_field(model, member, "waits_in"),
                                  .object = intern_field(model, member, "object")};
    }
    found.advice = intern_field(model, event->json, "advice");
    found.key = chain_key(&found);
    for (uint32_t i = 0; i < model->deadlock_count; i++) {
        if (model->deadlocks[i].key == found.key) {
            model->deadlocks[i].count++;
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

static bool on_drain_start(struct model *model, const struct event *event)
{
    find_drain(model, event);
    return true;
}

static bool on_drain_end(struct model *model, const struct event *event)
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

static void add_positive(uint64_t *sum, int64_t value)
{
    if (value > 0)
        *sum += (uint64_t)value;
}

static bool on_drain_drop(struct model *model, const struct event *event)
{
    add_positive(&model->dropped_bytes, field_integer(event->json, "bytes", 0));
    add_positive(&model->dropped_writes, field_integer(event->json, "writes", 0));
    return true;
}

static bool on_drain_handoff(struct model *model, const struct event *event)
{
    add_positive(&model->handed_bytes, field_integer(event->json, "bytes", 0));
    add_positive(&model->handed_writes, field_integer(event->json, "writes", 0));
    return true;
}

static bool on_start(struct model *model, const struct event *event)
{
    model->processes[event->process].started = true;
    return true;
}

static bool on_summary(struct model *model, const struct event *event)
{
    int64_t overhead = field_milliseconds(event->json, "overhead_ms");
    model->processes[event->process].ended = true;
    model->summaries++;
    model->overhead += overhead > 0 ? overhead : 0;
    add_positive(&model->odd.held_back, field_integer(event->json, "held_back", 0));
    add_positive(&model->odd.suppressed, field_integer(event->json, "suppressed_total", 0));
    add_positive(&model->odd.lost, field_integer(event->json, "dropped_total", 0));
    return true;
}

static bool on_warning(struct model *model, const struct event *event)
{
    string_id message = intern_field(model, event->json, "message");
    uint32_t i = 0;
    while (i < model->warning_count && model->warnings[i] != message)
        i++;
    if (i == model->warning_count && i < WARNING_LIMIT)
        model->warnings[model->warning_count++] = message;
    return message != 0;
}

static bool on_action(struct model *model, const struct event *event)
{
    (void)model;
    (void)event;
    return true;
}

static const struct {
    const char *name;
    bool (*function)(struct model *model, const struct event *event);
} handlers[] = {
    {"blocked", on_blocked},
    {"unblocked", on_unblocked},
    {"lag", on_lag},
    {"lag_end", on_lag_end},
    {"filling", on_filling},
    {"deadlock", on_deadlock},
    {"drain_start", on_drain_start},
    {"drain_end", on_drain_end},
    {"drain_drop", on_drain_drop},
    {"drain_handoff", on_drain_handoff},
    {"start", on_start},
    {"summary", on_summary},
    {"action", on_action},
    {"warning", on_warning},
};

void aggregate_event(struct model *model, const json_t *json, int file)
{
    const char *name = field_string(json, "event");
    int32_t pid = field_small(json, "pid");
    int64_t seq = field_integer(json, "seq", NONE);
    struct event event = {.json = json, .time = field_time(json, "time")};
    if (!*name || pid == NONE || event.time == TIME_UNKNOWN) {
        model->odd.unusable++;
        return;
    }
    event.seq = seq >= 0 ? (uint64_t)seq : 0;
    int32_t process =
        model_process(model, &(struct process_key){.host = intern_field(model, json, "host"),
                                                   .file = file,
                                                   .pid = pid,
                                                   .seq = event.seq,
                                                   .starts = strcmp(name, "start") == 0});
    if (process == NONE)
        return;
    event.process = (uint32_t)process;
    touch_process(model, &model->processes[process], &event);
    int32_t tid = field_small(json, "tid");
    int32_t thread = model_thread(model, event.process, tid, intern_field(model, json, "thread"));
    if (thread == NONE)
        return;
    event.thread = (uint32_t)thread;
    model->events++;
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if (strcmp(handlers[i].name, name) == 0) {
            if (!handlers[i].function(model, &event))
                model->odd.incomplete++;
            return;
        }
    }
    model->odd.unknown++;
}

void aggregate_finish(struct model *model)
{
    for (uint32_t i = 0; i < OPEN_LIMIT; i++) {
        struct open_call *open = &model->open[i];
        if (!open->used)
            continue;
        int64_t until = model->processes[open->process].last_time - open->slice.start;
        if (until > open->slice.duration)
            open->slice.duration = until;
        open->slice.flags |= SLICE_NEVER_RETURNED;
        close_open(model, open);
    }
    if (model->first_time > model->last_time)
        model->first_time = model->last_time;
    model_sort_slices(model);
}
