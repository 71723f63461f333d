// SPDX-License-Identifier: MIT
#include "cli/report/aggregate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/aggregate_events.h"
#include "cli/report/stack_view.h"

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
    if (exe != 0 && !process->is_script)
        process->exe = exe;
    if (event->time < model->first_time)
        model->first_time = event->time;
    if (event->time > model->last_time)
        model->last_time = event->time;
}

static bool on_start(struct model *model, const struct event *event)
{
    struct process *process = &model->processes[event->process];
    string_id script = intern_field(model, event->json, "script");
    process->started = true;
    if (script != 0) {
        process->exe = script;
        process->is_script = true;
    }
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

static bool add_note(struct model *model, const struct event *event, const char *text)
{
    if (model->note_count == NOTE_LIMIT) {
        model->notes_more++;
        return true;
    }
    model->notes[model->note_count++] =
        (struct note){.time = event->time, .process = event->process, .text = intern(model, text)};
    return true;
}

static bool on_action(struct model *model, const struct event *event)
{
    char text[NOTE_TEXT];
    snprintf(text, sizeof text, "action %s: %s", field_string(event->json, "action"),
             field_string(event->json, "result"));
    return add_note(model, event, text);
}

static bool on_config(struct model *model, const struct event *event)
{
    json_t *before = json_object_get(event->json, "before");
    json_t *changed = json_object_get(event->json, "changed"), *to;
    char text[NOTE_TEXT] = "changed from outside:";
    const char *name;
    json_object_foreach(changed, name, to)
    {
        const char *from = field_string(before, name);
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, " %s=%s (was %s)", name,
                 field_string(changed, name), *from ? from : "not set");
    }
    return add_note(model, event, text);
}

/* Told of, and nothing to add up. */
static bool on_known(struct model *model, const struct event *event)
{
    (void)model;
    (void)event;
    return true;
}

static const struct {
    const char *name;
    bool (*function)(struct model *model, const struct event *event);
} handlers[] = {
    {"blocked", on_blocked},     {"unblocked", on_unblocked},   {"lag", on_lag},
    {"lag_end", on_lag_end},     {"filling", on_filling},       {"deadlock", on_deadlock},
    {"finding", on_deadlock},    {"still", on_known},           {"drain_start", on_drain_start},
    {"drain_end", on_drain_end}, {"drain_drop", on_drain_drop}, {"drain_handoff", on_drain_handoff},
    {"start", on_start},         {"summary", on_summary},       {"action", on_action},
    {"warning", on_warning},     {"config", on_config},         {"drain_wait", on_known},
    {"drain_spool", on_known},
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

static int by_time(const void *left, const void *right)
{
    const struct deadlock *a = left, *b = right;
    return (a->time > b->time) - (a->time < b->time);
}

void aggregate_finish(struct model *model)
{
    close_all_open(model);
    if (model->first_time > model->last_time)
        model->first_time = model->last_time;
    model_sort_slices(model);
    if (model->deadlock_count > 1)
        qsort(model->deadlocks, model->deadlock_count, sizeof *model->deadlocks, by_time);
}
