// SPDX-License-Identifier: MIT
/* The events of an event loop that is late. */
#include "report/event_json_compact.h"
#include "report/event_json_parts.h"

enum { SPACE_FOR_LOOP = 2048, COMPACT_LOOP = 600 };

static void calls(struct json_writer *json, const struct lag_facts *facts)
{
    json_open(json, "calls", '[');
    for (unsigned i = 0; i < facts->call_count; i++) {
        json_open(json, NULL, '{');
        json_put_string(json, "call", facts->calls[i].name);
        json_put_string(json, "class", event_class_name(facts->calls[i].class));
        json_put_milliseconds(json, "ms", facts->calls[i].ns);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void shares(struct json_writer *json, const char *key, const struct lag_facts *facts)
{
    json_open(json, key, '{');
    for (unsigned cause = 0; cause < CAUSE_COUNT; cause++)
        if (facts->share_ns[cause] != 0)
            json_put_milliseconds(json, event_cause_name(cause), facts->share_ns[cause]);
    json_close(json, '}');
}

static void advice(struct json_writer *json, const struct lag_facts *facts,
                   const struct incident *incident)
{
    const char *fixes[LAG_FIXES_LIMIT];
    char together[512];
    struct text_buffer text;
    unsigned count = event_lag_fixes(facts, incident, fixes);
    text_init(&text, together, sizeof together);
    for (unsigned i = 0; i < count; i++) {
        text_string(&text, i > 0 ? "; " : "");
        text_string(&text, fixes[i]);
    }
    json_put_string(json, "advice", together);
}

void event_json_lag(struct text_buffer *text, const struct event *event)
{
    const struct incident *incident = event->wait.incident;
    const struct lag_facts *facts = event->wait.lag;
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_milliseconds(&json, "lag_ms", facts->lag_ns);
    json_put_milliseconds(&json, "threshold_ms", facts->threshold_ns);
    json_put_string(&json, "cause", event_cause_name(facts->cause));
    shares(&json, "shares", facts);
    calls(&json, facts);
    json_put_bool(&json, "loop", true);
    if (incident->note)
        json_put_string(&json, "note", incident->note);
    advice(&json, facts, incident);
    event_json_stacks(&json, incident, event->wait.with_stack);
    event_json_end(&json);
}

void event_json_lag_end(struct text_buffer *text, const struct event *event)
{
    const struct lag_facts *facts = event->end.lag;
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_unsigned(&json, "ref", event->end.ref);
    if (event->end.of_call)
        json_put_bool(&json, "of_call", true);
    json_put_milliseconds(&json, "lag_ms", facts->lag_ns);
    shares(&json, "cause", facts);
    calls(&json, facts);
    event_json_end(&json);
}

/* Buckets by the least whole milliseconds above them: "16" counts what took 8 to 16 ms. */
static void histogram(struct json_writer *json, const struct loop_statistics *loop)
{
    char key[24];
    json_open(json, "histogram_ms", '{');
    for (unsigned bucket = 0; bucket < LAG_BUCKETS; bucket++) {
        struct text_buffer name;
        if (loop->lag_histogram[bucket] == 0)
            continue;
        text_init(&name, key, sizeof key);
        text_unsigned(&name, 1ULL << bucket);
        json_put_unsigned(json, key, loop->lag_histogram[bucket]);
    }
    json_close(json, '}');
}

void event_json_loops(struct json_writer *json, const struct summary *summary)
{
    json_open(json, "loops", '[');
    for (unsigned i = 0;
         i < summary->loop_count && event_json_has_space(json, SPACE_FOR_LOOP, COMPACT_LOOP); i++) {
        const struct loop_statistics *loop = &summary->loops[i];
        json_open(json, NULL, '{');
        json_put_signed(json, "tid", loop->tid);
        json_put_string(json, "thread", loop->thread);
        json_put_unsigned(json, "turns", loop->iterations);
        json_put_unsigned(json, "lags", loop->lags);
        json_put_milliseconds(json, "max_ms", loop->lag_max_ns);
        histogram(json, loop);
        json_close(json, '}');
    }
    json_close(json, ']');
}
