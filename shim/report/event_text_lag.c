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

static const char *advice(unsigned cause, const struct incident *incident)
{
    switch (cause) {
    case CLASS_CPU:
        return "give long computations to a thread or process, or cut them into pieces";
    case CAUSE_STARVED:
        return "the thread is ready and gets no CPU: too many runnable threads, or the cgroup's "
               "cpu.max throttles it";
    case CLASS_LOCK:
        if (event_waits_for_condition(incident))
            return "the loop waits for a condition (in Java: sleep, wait, waitFor): wait for it in "
                   "a thread";
        return "another thread holds what the loop waits for (in Python also the GIL)";
    default:
        return "do not block on the event loop: await it, or give it to a thread";
    }
}

/* One for each cause that takes a good part of it: a thread that computes on a busy machine is both
 * slow and starved. */
static void fixes(struct text_buffer *text, const struct lag_facts *facts,
                  const struct incident *incident)
{
    enum { GOOD_PART = 4 };
    const char *last = NULL;
    for (unsigned i = 0; i <= CAUSE_COUNT; i++) {
        unsigned cause = i == 0 ? facts->cause : i - 1;
        if (i != 0 &&
            (cause == facts->cause || facts->share_ns[cause] < facts->lag_ns / GOOD_PART ||
             facts->share_ns[cause] == 0))
            continue;
        const char *fix = advice(cause, incident);
        if (fix == last)
            continue;
        last = fix;
        text_string(text, "  fix: ");
        text_string(text, fix);
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
