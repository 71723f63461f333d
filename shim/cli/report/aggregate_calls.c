// SPDX-License-Identifier: MIT
/* Calls and lags of event loops: from the report that they last to the one that they end. */
#include "cli/report/aggregate_events.h"
#include "cli/report/event_peer.h"
#include "cli/report/event_stack.h"

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
    struct thread *thread = &model->threads[event->thread];
    struct open_call *open = find_open(model, event->process, (uint64_t)ref);
    if (!open) {
        /* A loop's absence that a call explained ends after that call's end. */
        if ((uint64_t)ref >= thread->closed_seq)
            model->odd.orphans++;
        return true;
    }
    if ((uint64_t)ref >= thread->closed_seq)
        thread->closed_seq = (uint64_t)ref + 1;
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

bool on_lag_end(struct model *model, const struct event *event)
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

bool on_blocked(struct model *model, const struct event *event)
{
    return add_begin(model, event, SLICE_CALL, field_milliseconds(event->json, "blocked_ms"));
}

bool on_unblocked(struct model *model, const struct event *event)
{
    return add_end(model, event, field_milliseconds(event->json, "blocked_ms"));
}

bool on_lag(struct model *model, const struct event *event)
{
    return add_begin(model, event, SLICE_LAG, field_milliseconds(event->json, "lag_ms"));
}

void close_all_open(struct model *model)
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
}
