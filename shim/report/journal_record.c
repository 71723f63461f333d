// SPDX-License-Identifier: MIT
#include "report/journal_record.h"

#include <string.h>

#include "base/clock.h"

enum { ERROR = 3, WARNING = 4, NOTICE = 5, INFORMATION = 6 }; /* syslog(3) */

/* The identities of journalctl MESSAGE_ID=…: of an event, for ever. */
static const struct kind {
    char event[16];
    unsigned priority;
    char identity[33];
} kinds[] = {
    {"start", INFORMATION, "43a7d0d6aed04d0bab0dd5a8b25fa500"},
    {"blocked", WARNING, "267567ab801b45e2832b3486ef40ad58"},
    {"still", WARNING, "cdc2bdecebff432c8a3d6ed05cfd53d7"},
    {"unblocked", INFORMATION, "a81c8dee2c144f53a66087aa68b47b29"},
    {"lag", WARNING, "57190bdb24924a88b96f9e1168721a1c"},
    {"lag_end", INFORMATION, "c777efe768d04491a3caa4940d5fdd99"},
    {"filling", WARNING, "3f2660a6264d468d9099f4bc538af84e"},
    {"deadlock", ERROR, "3e0a7768845e4dcb995e850bdf90f892"},
    {"finding", WARNING, "75f5859d89704ca38c2c5f2d124f7112"},
    {"drain_start", NOTICE, "b7f44d90f3474b24828e87543ebd69ee"},
    {"drain_end", INFORMATION, "8626230747ec4f919479a967a16d4ea5"},
    {"drain_drop", WARNING, "8f07fe248372469c926a59de627e8cd0"},
    {"drain_handoff", NOTICE, "ac8eb08dcf3148daa3a3e8ebfb6f6f45"},
    {"drain_wait", NOTICE, "436b51df431341ac9fcdfd3452aa50d9"},
    {"drain_spool", WARNING, "3451c9671ba04e7f9c41cc5595c73ac5"},
    {"action", NOTICE, "84c7ab2f19744d52b442567b5dc50e5b"},
    {"config", NOTICE, "170d0bfd1d6841c7a71114fee66162d7"},
    {"warning", WARNING, "86d1272819bb4e62aec3b18cc882be9a"},
    {"summary", INFORMATION, "df7322e8282842089b7fdb0b6c40be56"},
};

static const struct kind *kind_of(const char *event)
{
    static const struct kind other = {"", INFORMATION, ""};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].event, event) == 0)
            return &kinds[i];
    return &other;
}

unsigned journal_priority(const char *event)
{
    return kind_of(event)->priority;
}

static void of_incident(const struct incident *incident, struct journal_facts *facts)
{
    const struct pipe_facts *pipe = &incident->object.pipe;
    facts->class = event_class_name(incident->class);
    facts->blocked_ns = incident->blocked_ns;
    facts->stack_hash = incident->stack_hash;
    facts->peer_pid =
        pipe->peers_known && pipe->peer_count > 0 ? pipe->peers[0].pid : incident->object.child.pid;
    user_frame_place(&facts->place, incident->python, incident->python_count, incident->javascript,
                     incident->javascript_count, incident->frames, incident->frame_count);
}

/* Of a finding what this process's own member says. */
static void of_finding(const struct event *event, struct journal_facts *facts)
{
    const struct wait_finding *finding = event->graph.finding;
    const struct member *members = event->graph.members;
    facts->blocked_ns = event->graph.blocked_ns;
    for (unsigned i = 0; i < finding->count; i++) {
        if (finding->chain[i].pid != event->head.pid)
            continue;
        facts->peer_pid = finding->chain[i].for_pid;
        if (members)
            user_frame_place(&facts->place, members[i].python, members[i].python_count,
                             members[i].javascript, members[i].javascript_count, members[i].frames,
                             members[i].frame_count);
        return;
    }
}

void journal_facts_of(const struct event *event, struct journal_facts *facts)
{
    memset(facts, 0, sizeof *facts);
    if (event->kind == EVENT_BLOCKED || event->kind == EVENT_LAG)
        of_incident(event->wait.incident, facts);
    else if (event->kind == EVENT_FINDING)
        of_finding(event, facts);
}

/* A value of any bytes: its length goes before it, little-endian. */
static void put_bytes(struct text_buffer *record, const char *name, const char *value, size_t size)
{
    text_string(record, name);
    text_char(record, '\n');
    for (unsigned shift = 0; shift < 64; shift += 8)
        text_char(record, (char)((uint64_t)size >> shift & 255));
    text_bytes(record, value, size);
    text_char(record, '\n');
}

static void put_string(struct text_buffer *record, const char *name, const char *value)
{
    if (strchr(value, '\n')) {
        put_bytes(record, name, value, strlen(value));
        return;
    }
    text_string(record, name);
    text_char(record, '=');
    text_string(record, value);
    text_char(record, '\n');
}

static void put_number(struct text_buffer *record, const char *name, uint64_t number)
{
    char digits[24];
    struct text_buffer text;
    text_init(&text, digits, sizeof digits);
    text_unsigned(&text, number);
    put_string(record, name, digits);
}

static void put_place(struct text_buffer *record, const struct code_place *place)
{
    if (place->file[0])
        put_string(record, "CODE_FILE", place->file);
    if (place->line > 0)
        put_number(record, "CODE_LINE", (uint64_t)place->line);
    if (place->function[0])
        put_string(record, "CODE_FUNC", place->function);
}

static void put_facts(struct text_buffer *record, const struct journal_facts *facts)
{
    char hash[24];
    struct text_buffer text;
    if (facts->class)
        put_string(record, "PIPESHIM_CLASS", facts->class);
    if (facts->blocked_ns)
        put_number(record, "PIPESHIM_BLOCKED_USEC", facts->blocked_ns / NS_PER_US);
    if (facts->peer_pid > 0)
        put_number(record, "PIPESHIM_PEER_PID", (uint64_t)facts->peer_pid);
    if (facts->stack_hash) {
        text_init(&text, hash, sizeof hash);
        text_hex(&text, facts->stack_hash);
        put_string(record, "PIPESHIM_STACK_ID", hash);
    }
    put_place(record, &facts->place);
}

/* Without the newline at its end; what does not fit is cut: the innermost comes first. */
static void put_message(struct text_buffer *record, const char *text, size_t size)
{
    enum { FRAME = sizeof "MESSAGE\n" + 8 + 1 };
    size_t space = record->capacity - record->length;
    if (size > 0 && text[size - 1] == '\n')
        size--;
    if (space <= FRAME)
        return;
    put_bytes(record, "MESSAGE", text, size < space - FRAME ? size : space - FRAME);
}

void journal_record(struct text_buffer *record, const char *event, uint64_t seq,
                    const struct journal_facts *facts, const char *lines, size_t size)
{
    const struct kind *kind = kind_of(event);
    const char *end = memchr(lines, '\n', size);
    size_t json = end ? (size_t)(end - lines) : 0;
    put_number(record, "PRIORITY", kind->priority);
    put_string(record, "SYSLOG_IDENTIFIER", "pipeshim");
    if (kind->identity[0])
        put_string(record, "MESSAGE_ID", kind->identity);
    put_string(record, "PIPESHIM_EVENT", event);
    put_number(record, "PIPESHIM_SEQ", seq);
    put_facts(record, facts);
    text_string(record, "PIPESHIM_JSON=");
    text_bytes(record, lines, json);
    text_char(record, '\n');
    if (end)
        put_message(record, end + 1, size - json - 1);
}

void journal_prefix_lines(struct text_buffer *text, unsigned priority)
{
    enum { PREFIX = 3 };
    size_t lines = 0;
    for (size_t i = 0; i < text->length; i++)
        lines += text->data[i] == '\n';
    size_t end = text->length;
    for (; lines > 0 && end + PREFIX * lines >= text->capacity; lines--) {
        for (end--; end > 0 && text->data[end - 1] != '\n'; end--) {
        }
        text->truncated = true;
    }
    size_t to = end + PREFIX * lines;
    text->length = to;
    text->data[to] = '\0';
    while (end > 0) { /* from the end: each byte moves after what is not read yet */
        text->data[--to] = text->data[--end];
        if (end > 0 && text->data[end - 1] != '\n')
            continue;
        text->data[--to] = '>';
        text->data[--to] = (char)('0' + priority);
        text->data[--to] = '<';
    }
}
