// SPDX-License-Identifier: MIT
/* The events of an event loop that is late, for a person. */
#include "base/utf8.h"
#include "report/event_text_parts.h"

static void milliseconds(struct text_buffer *text, uint64_t ns)
{
    text_milliseconds(text, ns);
    text_string(text, " ms");
}

static void shares(struct text_buffer *text, const struct lag_facts *facts)
{
    bool first = true;
    for (unsigned cause = 0; cause < CAUSE_COUNT; cause++) {
        if (facts->share_ns[cause] == 0)
            continue;
        text_string(text, first ? "" : ", ");
        text_string(text, event_cause_name(cause));
        text_char(text, ' ');
        milliseconds(text, facts->share_ns[cause]);
        first = false;
    }
}

static void calls(struct text_buffer *text, const struct lag_facts *facts)
{
    for (unsigned i = 0; i < facts->call_count; i++) {
        text_string(text, i == 0 ? "  in calls: " : ", ");
        text_printable(text, facts->calls[i].name);
        text_char(text, ' ');
        milliseconds(text, facts->calls[i].ns);
    }
    if (facts->call_count)
        text_char(text, '\n');
}

static void fixes(struct text_buffer *text, const struct lag_facts *facts,
                  const struct incident *incident)
{
    const char *found[LAG_FIXES_LIMIT];
    unsigned count = event_lag_fixes(facts, incident, found);
    for (unsigned i = 0; i < count; i++) {
        text_string(text, "  fix: ");
        text_string(text, found[i]);
        text_char(text, '\n');
    }
}

void event_text_lag(struct text_buffer *text, const struct event *event)
{
    const struct incident *incident = event->wait.incident;
    const struct lag_facts *facts = event->wait.lag;
    event_text_begin(text, event, "LAG");
    text_string(text, "the event loop is away for ");
    milliseconds(text, facts->lag_ns);
    text_string(text, " now, cause ");
    text_string(text, event_cause_name(facts->cause));
    text_string(text, ": ");
    shares(text, facts);
    text_char(text, '\n');
    event_text_lost(text, event);
    calls(text, facts);
    if (incident->note) {
        text_string(text, "  note: ");
        text_printable(text, incident->note);
        text_char(text, '\n');
    }
    fixes(text, facts, incident);
    event_text_stacks(text, incident, event->wait.with_stack);
}

void event_text_lag_end(struct text_buffer *text, const struct event *event)
{
    const struct lag_facts *facts = event->end.lag;
    event_text_begin(text, event, "LAG_END");
    text_string(text, "the event loop is back after ");
    milliseconds(text, facts->lag_ns);
    text_string(text, ": ");
    shares(text, facts);
    text_string(text, " (report ");
    text_unsigned(text, event->end.ref);
    text_string(text, ")\n");
    event_text_lost(text, event);
}

void event_text_loops(struct text_buffer *text, const struct summary *summary)
{
    enum { SPACE_FOR_LOOP = 1024 };
    for (unsigned i = 0; i < summary->loop_count; i++) {
        const struct loop_statistics *loop = &summary->loops[i];
        if (text->capacity - text->length < SPACE_FOR_LOOP)
            return;
        text_string(text, "  event loop ");
        text_printable(text, loop->thread);
        text_char(text, '[');
        text_signed(text, loop->tid);
        text_string(text, "]: ");
        text_unsigned(text, loop->iterations);
        text_string(text, " turns, ");
        text_unsigned(text, loop->lags);
        text_string(text, " lags, longest ");
        milliseconds(text, loop->lag_max_ns);
        text_string(text, "; absences below");
        for (unsigned bucket = 0; bucket < LAG_BUCKETS; bucket++) {
            if (loop->lag_histogram[bucket] == 0)
                continue;
            text_char(text, ' ');
            text_unsigned(text, 1ULL << bucket);
            text_string(text, " ms: ");
            text_unsigned(text, loop->lag_histogram[bucket]);
        }
        text_char(text, '\n');
    }
}
