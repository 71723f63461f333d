// SPDX-License-Identifier: MIT
#include "report/event.h"

#include "base/timestamp.h"
#include "report/event_json_compact.h"
#include "report/event_json_parts.h"

enum { COMPACT_SITE = 1200 }; /* two, so that a loop finds space after it */

void event_json_begin(struct json_writer *json, struct text_buffer *text, const struct event *event)
{
    const struct event_head *head = &event->head;
    char time[TIMESTAMP_SIZE];
    timestamp_rfc3339(head->time_ns, time);
    json_begin(json, text);
    if (event_compact())
        json_cut_strings(json, COMPACT_STRING, COMPACT_RESERVE);
    json_open(json, NULL, '{');
    json_put_string(json, "event", event_name(event));
    json_put_unsigned(json, "v", 1);
    json_put_unsigned(json, "seq", head->seq);
    json_put_string(json, "time", time);
    json_put_signed(json, "pid", head->pid);
    json_put_signed(json, "tid", head->tid);
    json_put_string(json, "exe", head->executable);
    json_put_string(json, "thread", head->thread);
    if (head->dropped)
        json_put_unsigned(json, "dropped", head->dropped);
    if (head->suppressed)
        json_put_unsigned(json, "suppressed", head->suppressed);
}

void event_json_end(struct json_writer *json)
{
    if (event_compact())
        event_json_modules(json);
    json_close(json, '}');
    text_char(json->text, '\n');
}

static void start(struct text_buffer *text, const struct event *event)
{
    const struct event_start *start = event->start;
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_string(&json, "version", PIPESHIM_VERSION);
    if (start->host && start->host[0])
        json_put_string(&json, "host", start->host);
    json_put_string(&json, "argv0", start->argv0);
    if (start->script && start->script[0])
        json_put_string(&json, "script", start->script);
    json_open(&json, "config", '{');
    for (int id = 0; id < SETTING_COUNT; id++)
        if (start->settings->given[id] &&
            event_json_has_space(&json, SPACE_FOR_FRAME, COMPACT_RESERVE + 80))
            json_put_string(&json, setting_name((enum setting_id)id), start->settings->text[id]);
    json_close(&json, '}');
    json_open(&json, "features", '{');
    json_put_string(&json, "stack",
                    settings_stack_depth(start->settings) != 0 ? "unwind tables" : "off");
    json_put_string(&json, "stdio", start->no_stdio ? start->no_stdio : "FILE tables");
    json_put_bool(&json, "sampler", true);
    json_put_string(&json, "cpu_stacks", start->cpu_stacks);
    if (start->python && start->python[0])
        json_put_string(&json, "python", start->python);
    if (start->javascript && start->javascript[0])
        json_put_string(&json, "javascript", start->javascript);
    json_close(&json, '}');
    event_json_end(&json);
}

static void blocked(struct text_buffer *text, const struct event *event)
{
    struct json_writer json;
    const struct incident *incident = event->wait.incident;
    const char *advice = event->wait.advice;
    event_json_begin(&json, text, event);
    json_put_string(&json, "call", incident->call);
    if (incident->kernel_call)
        json_put_string(&json, "syscall", incident->kernel_call);
    json_put_string(&json, "class", event_class_name(incident->class));
    if (incident->fd >= 0)
        json_put_signed(&json, "fd", incident->fd);
    if (incident->object.name[0])
        json_put_string(&json, "object", incident->object.name);
    if (incident->bytes)
        json_put_unsigned(&json, "bytes", incident->bytes);
    json_put_milliseconds(&json, "blocked_ms", incident->blocked_ns);
    json_put_milliseconds(&json, "threshold_ms", incident->threshold_ns);
    json_put_bool(&json, "loop", incident->loop);
    event_json_object(&json, &incident->object);
    if (incident->lock_owner_tid) {
        json_put_signed(&json, "behind_tid", incident->lock_owner_tid);
        json_put_unsigned(&json, "behind_ref", incident->lock_owner_ref);
    }
    if (incident->lag_ref)
        json_put_unsigned(&json, "ref", incident->lag_ref);
    if (incident->note)
        json_put_string(&json, "note", incident->note);
    if (advice)
        json_put_string(&json, "advice", advice);
    if (event->wait.cured) {
        char words[CURE_LIMIT];
        struct text_buffer cure;
        text_init(&cure, words, sizeof words);
        event_cure_option(incident->fd, &cure);
        json_put_string(&json, "option", words);
        text_init(&cure, words, sizeof words);
        event_cure_now(event->head.pid, incident->fd, &cure);
        json_put_string(&json, "rescue", words);
    }
    if (event->wait.repeat) {
        json_put_unsigned(&json, "repeat", event->wait.repeat);
        json_put_milliseconds(&json, "repeat_ms", event->wait.repeat_ns);
    }
    event_json_stacks(&json, incident, event->wait.with_stack);
    event_json_end(&json);
}

static void still(struct text_buffer *text, const struct event *event)
{
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_unsigned(&json, "ref", event->end.ref);
    json_put_milliseconds(&json, "blocked_ms", event->end.blocked_ns);
    event_json_end(&json);
}

static void unblocked(struct text_buffer *text, const struct event *event)
{
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_unsigned(&json, "ref", event->end.ref);
    json_put_milliseconds(&json, "blocked_ms", event->end.blocked_ns);
    json_put_string(&json, "result", event->end.gone ? "the thread ended" : "returned");
    if (event->end.repeat)
        json_put_unsigned(&json, "repeat", event->end.repeat);
    event_json_end(&json);
}

static void action(struct text_buffer *text, const struct event *event)
{
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_string(&json, "action", event->action.name);
    if (event->action.ref != 0)
        json_put_unsigned(&json, "ref", event->action.ref);
    json_put_string(&json, "result", event->action.result);
    event_json_end(&json);
}

static void config(struct text_buffer *text, const struct event *event)
{
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_open(&json, "changed", '{');
    for (unsigned i = 0; i < event->config.count; i++)
        json_put_string(&json, setting_name(event->config.changes[i].id),
                        event->config.changes[i].text);
    json_close(&json, '}');
    json_open(&json, "before", '{');
    for (unsigned i = 0; i < event->config.count; i++)
        json_put_string(&json, setting_name(event->config.changes[i].id), event->config.before[i]);
    json_close(&json, '}');
    event_json_end(&json);
}

static void warning(struct text_buffer *text, const struct event *event)
{
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_string(&json, "message", event->message);
    event_json_end(&json);
}

static void summary(struct text_buffer *text, const struct event *event)
{
    const struct summary *summary = event->summary;
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_milliseconds(&json, "run_ms", summary->run_ns);
    json_put_unsigned(&json, "reports", summary->reports);
    json_put_unsigned(&json, "held_back", summary->held_back);
    json_put_unsigned(&json, "suppressed_total", summary->suppressed);
    json_put_unsigned(&json, "dropped_total", summary->dropped);
    json_put_milliseconds(&json, "overhead_ms", summary->watchdog_cpu_ns);
    json_put_unsigned(&json, "looks", summary->looks.count);
    json_put_milliseconds(&json, "looks_ms", summary->looks.cpu_ns);
    json_put_milliseconds(&json, "longest_look_ms", summary->looks.longest_ns);
    if (summary->drain_on)
        event_json_drain_totals(&json, summary);
    if (event_compact())
        json_cut_strings(&json, COMPACT_STRING / 4, COMPACT_SITE / 2);
    json_open(&json, "sites", '[');
    for (unsigned i = 0; i < summary->site_count; i++) {
        const struct summary_site *site = &summary->sites[i];
        if (!event_json_has_space(&json, SPACE_FOR_FRAME + EVENT_SPACE_FOR_END, COMPACT_SITE))
            break;
        json_open(&json, NULL, '{');
        json_put_string(&json, "call", site->call);
        json_put_string(&json, "class", event_class_name(site->class));
        json_put_string(&json, "object", site->object);
        json_put_string(&json, "where", site->where);
        json_put_hex(&json, "stack_id", site->hash);
        json_put_unsigned(&json, "count", site->count);
        json_put_unsigned(&json, "unreturned", site->count - site->returned);
        json_put_milliseconds(&json, "total_ms", site->total_ns);
        json_put_milliseconds(&json, "max_ms", site->max_ns);
        json_put_milliseconds(&json, "p50_ms", summary_percentile_ns(site, 50));
        json_put_milliseconds(&json, "p99_ms", summary_percentile_ns(site, 99));
        json_close(&json, '}');
    }
    json_close(&json, ']');
    event_json_loops(&json, summary);
    event_json_end(&json);
}

const struct event_format event_format_json = {
    .start = start,
    .blocked = blocked,
    .unblocked = unblocked,
    .still = still,
    .lag = event_json_lag,
    .lag_end = event_json_lag_end,
    .finding = event_json_finding,
    .filling = event_json_filling,
    .drain = event_json_drain,
    .drain_loss = event_json_drain_loss,
    .drain_wait = event_json_drain_wait,
    .drain_spool = event_json_drain_spool,
    .action = action,
    .config = config,
    .warning = warning,
    .summary = summary,
};
