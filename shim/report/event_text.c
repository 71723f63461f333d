// SPDX-License-Identifier: MIT
#include "report/event_text_parts.h"

#include <string.h>

#include "base/utf8.h"
#include "explain/user_frame.h"
#include "facts/member.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "pipeshim: WORD engine[2707] thread "engine"[2709] ": the line that grep finds. Of an interpreter
 * the script's name, by which the findings call it too: "python3" is everything. */
void event_text_begin(struct text_buffer *text, const struct event *event, const char *word)
{
    const struct event_head *head = &event->head;
    text_string(text, "pipeshim: ");
    text_string(text, word);
    text_char(text, ' ');
    text_printable(text, head->script ? head->script : base_name(head->executable));
    text_char(text, '[');
    text_signed(text, head->pid);
    text_char(text, ']');
    if (head->tid != head->pid) {
        text_string(text, " thread ");
        text_printable(text, head->thread);
        text_char(text, '[');
        text_signed(text, head->tid);
        text_char(text, ']');
    }
    text_char(text, ' ');
}

void event_text_lost(struct text_buffer *text, const struct event *event)
{
    const struct event_head *head = &event->head;
    if (head->dropped) {
        text_string(text, "  (");
        text_unsigned(text, head->dropped);
        text_string(text, " earlier records could not be written)\n");
    }
    if (head->suppressed) {
        text_string(text, "  (");
        text_unsigned(text, head->suppressed);
        text_string(text, " reports held back since the last one)\n");
    }
}

static void start(struct text_buffer *text, const struct event *event)
{
    const struct event_start *start = event->start;
    event_text_begin(text, event, "START");
    text_string(text, PIPESHIM_VERSION);
    for (int id = 0; id < SETTING_COUNT; id++) {
        if (!start->settings->given[id])
            continue;
        text_char(text, ' ');
        text_string(text, setting_name((enum setting_id)id));
        text_char(text, '=');
        text_printable(text, start->settings->text[id]);
    }
    if (start->no_stdio) {
        text_string(text, " (stdio by sampling: ");
        text_printable(text, start->no_stdio);
        text_char(text, ')');
    }
    text_char(text, '\n');
}

static bool is_pipe(const struct incident *incident)
{
    return incident->object.kind == OBJECT_PIPE || incident->object.kind == OBJECT_FIFO ||
           incident->object.kind == OBJECT_SOCKETPAIR;
}

/* A stall that was told in full: where, how often, and no more. */
static void as_before(struct text_buffer *text, const struct event *event)
{
    const struct incident *incident = event->wait.incident;
    char frame[WHERE_LIMIT] = "";
    const char *where = event->wait.where ? event->wait.where : frame;
    struct text_buffer words;
    text_init(&words, frame, sizeof frame);
    user_frame_words(&words, incident->python, incident->python_count, incident->javascript,
                     incident->javascript_count, incident->frames, incident->frame_count);
    if (where[0]) {
        text_string(text, ", at ");
        text_printable(text, where);
    }
    text_format(text, ", as %llu %s before", (unsigned long long)event->wait.repeat,
                event->wait.repeat == 1 ? "time" : "times");
    if (event->wait.repeat_ns > 0) {
        text_string(text, " (");
        text_milliseconds(text, event->wait.repeat_ns);
        text_string(text, " ms in all)");
    }
    text_char(text, '\n');
    event_text_lost(text, event);
}

static void blocked(struct text_buffer *text, const struct event *event)
{
    const struct incident *incident = event->wait.incident;
    const char *advice = event->wait.advice;
    event_text_begin(text, event, "BLOCKED");
    text_milliseconds(text, incident->blocked_ns);
    text_string(text, " ms in ");
    text_printable(text, incident->call);
    text_char(text, '(');
    if (incident->lock_owner_tid) {
        text_string(text, "): waits for the FILE's lock, behind thread ");
        text_signed(text, incident->lock_owner_tid);
        text_string(text, "'s stuck write");
    } else {
        if (incident->fd >= 0) {
            text_string(text, "fd ");
            text_signed(text, incident->fd);
        }
        if (incident->bytes) {
            text_string(text, ", ");
            text_unsigned(text, incident->bytes);
            text_string(text, " bytes");
        }
        text_string(text, ") on ");
        if (incident->object.name[0])
            text_printable(text, incident->object.name);
        else
            text_string(text, event_waits_for_condition(incident)
                                  ? "a condition"
                                  : event_class_name(incident->class));
        if (is_pipe(incident))
            event_text_fill(text, &incident->object.pipe);
    }
    if (incident->loop)
        text_string(text, " [event loop]");
    if (event->wait.repeat > 0 && !event->wait.with_stack) {
        as_before(text, event);
        return;
    }
    text_char(text, '\n');
    event_text_lost(text, event);
    if (is_pipe(incident))
        event_text_peers(text, event, &incident->object.pipe);
    event_text_other_process(text, &incident->object, event->head.pid);
    if (incident->note) {
        text_string(text, "  note: ");
        text_printable(text, incident->note);
        text_char(text, '\n');
    }
    if (advice) {
        text_string(text, "  fix: ");
        text_printable(text, advice);
        text_char(text, '\n');
    }
    if (event->wait.cured) {
        text_string(text, "  now: ");
        event_cure_now(event->head.pid, incident->fd, text);
        text_string(text, "; without a change of code: ");
        event_cure_option(incident->fd, text);
        text_char(text, '\n');
    }
    event_text_stacks(text, incident, event->wait.with_stack);
}

static void still(struct text_buffer *text, const struct event *event)
{
    event_text_begin(text, event, "STILL");
    text_string(text, "blocked, now for ");
    text_milliseconds(text, event->end.blocked_ns / 1000);
    text_string(text, " s (report ");
    text_unsigned(text, event->end.ref);
    text_string(text, ")\n");
    event_text_lost(text, event);
}

/* What the call itself does not account for, after its end, is worth the second line. */
static bool is_all_the_calls(const struct lag_facts *facts)
{
    return facts->call_count > 0 && facts->calls[0].ns / 9 >= facts->lag_ns / 10;
}

bool event_text_leaves_out(const struct event *event)
{
    return (event->kind == EVENT_UNBLOCKED && event->end.repeat > 0) ||
           (event->kind == EVENT_LAG_END && event->end.of_call && is_all_the_calls(event->end.lag));
}

static void unblocked(struct text_buffer *text, const struct event *event)
{
    event_text_begin(text, event, "RESOLVED");
    text_string(text, event->end.gone ? "the thread ended after " : "after ");
    text_milliseconds(text, event->end.blocked_ns);
    text_string(text, " ms (report ");
    text_unsigned(text, event->end.ref);
    text_string(text, ")\n");
    event_text_lost(text, event);
}

static void action(struct text_buffer *text, const struct event *event)
{
    event_text_begin(text, event, "ACTION");
    text_printable(text, event->action.name);
    text_string(text, ": ");
    text_printable(text, event->action.result);
    if (event->action.ref != 0)
        text_format(text, " (report %llu)", (unsigned long long)event->action.ref);
    text_char(text, '\n');
    event_text_lost(text, event);
}

static void config(struct text_buffer *text, const struct event *event)
{
    event_text_begin(text, event, "CONFIG");
    text_string(text, "changed from outside:");
    for (unsigned i = 0; i < event->config.count; i++) {
        text_format(text, " %s=", setting_name(event->config.changes[i].id));
        text_printable(text, event->config.changes[i].text);
        text_string(text, " (was ");
        text_printable(text, event->config.before[i][0] ? event->config.before[i] : "not set");
        text_char(text, ')');
    }
    text_char(text, '\n');
    event_text_lost(text, event);
}

static void warning(struct text_buffer *text, const struct event *event)
{
    event_text_begin(text, event, "WARNING");
    text_printable(text, event->message);
    text_char(text, '\n');
    event_text_lost(text, event);
}

static void summary(struct text_buffer *text, const struct event *event)
{
    const struct summary *summary = event->summary;
    enum { SPACE_FOR_LINE = 700 };
    event_text_begin(text, event, "SUMMARY");
    text_string(text, "ran ");
    text_milliseconds(text, summary->run_ns);
    text_string(text, " ms, ");
    text_unsigned(text, summary->reports);
    text_string(text, " stuck calls reported, ");
    text_unsigned(text, summary->held_back + summary->suppressed);
    text_string(text, " held back, ");
    text_unsigned(text, summary->dropped);
    text_string(text, " records lost, own cost ");
    text_milliseconds(text, summary->watchdog_cpu_ns);
    text_string(text, " ms of CPU\n");
    for (unsigned i = 0; i < summary->site_count; i++) {
        const struct summary_site *site = &summary->sites[i];
        if (text->capacity - text->length < SPACE_FOR_LINE)
            break;
        text_string(text, "  ");
        text_printable(text, site->call);
        if (site->where[0]) {
            text_string(text, " from ");
            text_printable(text, site->where);
        }
        text_string(text, " on ");
        text_printable(text, site->object[0] ? site->object : event_class_name(site->class));
        text_string(text, ": ");
        text_unsigned(text, site->count);
        text_string(text, " times, total ");
        text_milliseconds(text, site->total_ns);
        text_string(text, " ms, max ");
        text_milliseconds(text, site->max_ns);
        text_string(text, " ms");
        if (site->count > site->returned) {
            text_string(text, ", ");
            text_unsigned(text, site->count - site->returned);
            text_string(text, " never returned");
        }
        text_char(text, '\n');
    }
    event_text_drain_totals(text, summary);
    event_text_loops(text, summary);
}

const struct event_format event_format_text = {
    .start = start,
    .blocked = blocked,
    .unblocked = unblocked,
    .still = still,
    .lag = event_text_lag,
    .lag_end = event_text_lag_end,
    .finding = event_text_finding,
    .filling = event_text_filling,
    .drain = event_text_drain,
    .drain_loss = event_text_drain_loss,
    .drain_wait = event_text_drain_wait,
    .drain_spool = event_text_drain_spool,
    .action = action,
    .config = config,
    .warning = warning,
    .summary = summary,
};
