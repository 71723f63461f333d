// SPDX-License-Identifier: MIT
/* The events about what goes on between processes: deadlocks, readers that do not read, pipes that
 * fill. */
#include "report/event_json_compact.h"
#include "report/event_json_parts.h"

static void known(struct json_writer *json, const char *key, int64_t number)
{
    if (number != UNKNOWN_NUMBER)
        json_put_signed(json, key, number);
}

static const char *reason_name(enum wait_reason reason)
{
    static const char *const names[] = {
        [REASON_SPACE] = "room",    [REASON_INPUT] = "input", [REASON_CHILD] = "child",
        [REASON_SIGNAL] = "signal", [REASON_LOCK] = "lock",   [REASON_FUTEX] = "thread",
    };
    return names[reason];
}

static void link_pipe(struct json_writer *json, const struct chain_link *link)
{
    if (link->reason != REASON_SPACE || link->used == UNKNOWN_NUMBER)
        return;
    json_open(json, "pipe", '{');
    json_put_unsigned(json, "inode", link->key.inode);
    known(json, "used", link->used);
    known(json, "capacity", link->capacity);
    known(json, "slots_used", link->slots);
    known(json, "slots", link->slots);
    if (link->full != UNKNOWN_NUMBER)
        json_put_bool(json, "full", link->full != 0);
    json_put_string(json, "role", "writer");
    json_close(json, '}');
}

static void member_fields(struct json_writer *json, const struct member *member, size_t share)
{
    if (member->where[0])
        json_put_string(json, "where", member->where);
    if (member->where_column > 0)
        json_put_signed(json, "column", member->where_column);
    if (member->where_generated)
        json_put_bool(json, "generated", true);
    if (member->source[0])
        json_put_string(json, "source", member->source);
    if (member->note)
        json_put_string(json, "note", member->note);
    if (event_compact()) /* the line is there; what each has on its stack it tells itself */
        return;
    /* Of its share of the record at least a half is for the C stack. */
    size_t space = json_space(json), half = share < space ? space - share / 2 : 0,
           rest = share < space ? space - share : 0;
    if (member->python_count)
        event_json_python(json, member->python, member->python_count, member->python_omitted, half);
    if (member->javascript_count)
        event_json_javascript(json, member->javascript, member->javascript_count,
                              member->javascript_omitted, half);
    if (member->frame_count)
        event_json_stack(json, member->frames, member->frame_count, member->stack_complete, rest);
}

/* What each of so many members that are still to come may use: a chain with all its stacks can be
 * longer than a record. */
static size_t share_of_record(const struct json_writer *json, unsigned members)
{
    enum { LINK_SPACE = 2048 }; /* what is said of a link besides */
    size_t space = json_space(json), kept = EVENT_SPACE_FOR_END + members * (size_t)LINK_SPACE;
    return space > kept ? (space - kept) / members : 0;
}

static void chain(struct json_writer *json, const struct wait_finding *finding,
                  const struct member *members)
{
    enum { COMPACT_LINK = 800 };
    unsigned shown = 0;
    if (event_compact())
        json_cut_strings(json, COMPACT_STRING / 4, COMPACT_LINK / 2);
    json_open(json, "chain", '[');
    for (unsigned i = 0; i < finding->count && event_json_has_space(json, 0, COMPACT_LINK);
         i++, shown++) {
        const struct chain_link *link = &finding->chain[i];
        json_open(json, NULL, '{');
        json_put_signed(json, "pid", link->pid);
        json_put_string(json, "comm", link->comm);
        json_put_string(json, "name", link->name);
        json_put_signed(json, "tid", link->tid);
        json_put_string(json, "waits_in", link->waits_in);
        json_put_string(json, "object", link->object);
        if (link->reason != REASON_NONE)
            json_put_string(json, "waits_for", reason_name(link->reason));
        known(json, "fd", link->own_fd);
        json_put_signed(json, "for_pid", link->for_pid);
        if (link->for_pid > 0)
            json_put_string(json, "for_name", link->for_name);
        known(json, "for_fd", link->peer_fd);
        link_pipe(json, link);
        if (members)
            member_fields(json, &members[i], share_of_record(json, finding->count - i));
        json_close(json, '}');
    }
    json_close(json, ']');
    if (shown < finding->count)
        json_put_unsigned(json, "chain_omitted", finding->count - shown);
}

/* The line of this process's own member. */
static const char *own_where(const struct event_head *head, const struct wait_finding *finding,
                             const struct member *members)
{
    for (unsigned i = 0; members && i < finding->count; i++) {
        if (finding->chain[i].pid == head->pid && members[i].where[0])
            return members[i].where;
    }
    return NULL;
}

void event_json_finding(struct text_buffer *text, const struct event *event)
{
    const struct wait_finding *finding = event->graph.finding;
    const struct member *members = event->graph.members;
    uint64_t blocked_ns = event->graph.blocked_ns;
    struct json_writer json;
    const char *where = own_where(&event->head, finding, members);
    event_json_begin(&json, text, event);
    json_put_hex(&json, "id", finding->id ? finding->id : finding->fingerprint);
    if (finding->kind != FINDING_DEADLOCK) {
        json_put_string(&json, "kind", finding_name(finding->kind));
        json_put_string(&json, "finding", finding_name(finding->kind));
    }
    json_put_string(&json, "certainty", finding->likely ? "likely" : "proven");
    if (blocked_ns)
        json_put_milliseconds(&json, "blocked_ms", blocked_ns);
    json_put_string(&json, "words", finding->words);
    json_put_string(&json, "advice", finding->advice);
    if (finding->rescue[0])
        json_put_string(&json, "rescue", finding->rescue);
    if (where)
        json_put_string(&json, "where", where);
    chain(&json, finding, members);
    event_json_end(&json);
}

void event_json_filling(struct text_buffer *text, const struct event *event)
{
    const struct object_facts *object = event->filling.object;
    const struct fill_forecast *forecast = &event->filling.forecast;
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_signed(&json, "fd", event->filling.fd);
    json_put_string(&json, "object", object->name);
    event_json_pipe(&json, &object->pipe);
    json_put_signed(&json, "bytes_per_s", forecast->bytes_per_s);
    json_put_milliseconds(&json, "full_in_s", (uint64_t)forecast->full_in_ms * 1000);
    json_put_string(&json, "advice", event_advice_filling());
    event_json_end(&json);
}
