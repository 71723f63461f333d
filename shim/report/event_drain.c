// SPDX-License-Identifier: MIT
/* The drainer's events. */
#include "base/utf8.h"
#include "report/event_json_parts.h"
#include "report/event_text_parts.h"

static bool is_pipe(const struct object_facts *object)
{
    return object->kind == OBJECT_PIPE || object->kind == OBJECT_FIFO ||
           object->kind == OBJECT_SOCKETPAIR;
}

void event_json_drain(struct text_buffer *text, const struct event *event)
{
    const struct drain_facts *facts = event->drain;
    struct json_writer json;
    event_json_begin(&json, text, event);
    if (facts->ref)
        json_put_unsigned(&json, "ref", facts->ref);
    json_put_signed(&json, "fd", facts->fd);
    json_put_string(&json, "object", facts->object.name);
    json_put_unsigned(&json, "queued_bytes", facts->queued_bytes);
    json_put_unsigned(&json, "peak_bytes", facts->peak_bytes);
    json_put_milliseconds(&json, "ms", facts->ns);
    if (is_pipe(&facts->object))
        event_json_pipe(&json, &facts->object.pipe);
    event_json_end(&json);
}

void event_json_drain_loss(struct text_buffer *text, const struct event *event)
{
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_unsigned(&json, "bytes", event->loss.bytes);
    json_put_unsigned(&json, "writes", event->loss.writes);
    event_json_end(&json);
}

void event_json_drain_totals(struct json_writer *json, const struct drain_totals *totals)
{
    json_open(json, "drain", '{');
    json_put_unsigned(json, "episodes", totals->episodes);
    json_put_unsigned(json, "queued_bytes", totals->queued_bytes);
    json_put_unsigned(json, "peak_bytes", totals->peak_bytes);
    json_put_unsigned(json, "dropped_bytes", totals->dropped_bytes);
    json_put_unsigned(json, "dropped_writes", totals->dropped_writes);
    json_put_unsigned(json, "lost_bytes", totals->lost_bytes);
    json_put_unsigned(json, "handed_over_bytes", totals->handed_over_bytes);
    json_close(json, '}');
}

static void number(struct text_buffer *text, uint64_t value, const char *unit)
{
    text_unsigned(text, value);
    text_string(text, unit);
}

void event_text_drain(struct text_buffer *text, const struct event *event)
{
    const struct drain_facts *facts = event->drain;
    event_text_begin(text, event, facts->ref ? "DRAINED" : "DRAIN");
    text_printable(text, facts->object.name);
    text_string(text, " (fd ");
    text_signed(text, facts->fd);
    if (facts->ref) {
        text_string(text, "): the queue is empty again after ");
        text_milliseconds(text, facts->ns);
        text_string(text, " ms, ");
        number(text, facts->queued_bytes, " bytes queued, ");
        number(text, facts->peak_bytes, " at once (report ");
        number(text, facts->ref, ")\n");
    } else {
        text_string(text, ") is not read fast enough: ");
        number(text, facts->queued_bytes, " bytes queued, the program goes on\n");
    }
    event_text_lost(text, event);
    if (!facts->ref && is_pipe(&facts->object))
        event_text_peers(text, &facts->object.pipe);
}

void event_text_drain_loss(struct text_buffer *text, const struct event *event)
{
    bool handed_over = event->loss.handed_over;
    event_text_begin(text, event, handed_over ? "HANDOFF" : "DROPPED");
    number(text, event->loss.bytes, " bytes of ");
    number(text, event->loss.writes,
           handed_over ? " writes are still queued: a helper process goes on sending them\n"
                       : " writes dropped: the queue is full\n");
    event_text_lost(text, event);
}

void event_text_drain_totals(struct text_buffer *text, const struct drain_totals *totals)
{
    if (totals->episodes == 0 && totals->dropped_writes == 0)
        return;
    text_string(text, "  drained: ");
    number(text, totals->queued_bytes, " bytes in ");
    number(text, totals->episodes, " episodes, at most ");
    number(text, totals->peak_bytes, " at once, ");
    number(text, totals->dropped_bytes, " dropped, ");
    number(text, totals->lost_bytes, " lost to a dead reader, ");
    number(text, totals->handed_over_bytes, " handed over\n");
}
