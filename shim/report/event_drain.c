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

/* What becomes of the rest when the wait is over. */
static const char *then_word(const struct drain_wait_facts *facts)
{
    if (facts->spools)
        return "spool";
    return facts->is_first ? "lost" : "handoff";
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
    enum drain_loss what = event->loss.what;
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_unsigned(&json, "bytes", event->loss.bytes);
    json_put_unsigned(&json, "writes", event->loss.writes);
    static const char *const reasons[] = {[DRAIN_DROPPED] = "overflow",
                                          [DRAIN_LOST_WITH_INIT] = "pid_namespace_ends",
                                          [DRAIN_LOST_WITHOUT_HELPER] = "helper_killed"};
    if (what != DRAIN_HANDED_OVER)
        json_put_string(&json, "reason", reasons[what]);
    event_json_end(&json);
}

void event_json_drain_wait(struct text_buffer *text, const struct event *event)
{
    const struct drain_wait_facts *facts = event->drain_wait;
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_string(&json, "waits", facts->exits ? "exit" : "exec");
    json_put_signed(&json, "fd", facts->fd);
    json_put_string(&json, "object", facts->object.name);
    json_put_unsigned(&json, "bytes", facts->bytes);
    json_put_milliseconds(&json, "waited_ms", facts->waited_ns);
    if (facts->limit_ns != UINT64_MAX)
        json_put_milliseconds(&json, "limit_ms", facts->limit_ns);
    json_put_string(&json, "then", then_word(facts));
    if (is_pipe(&facts->object))
        event_json_pipe(&json, &facts->object.pipe);
    event_json_end(&json);
}

void event_json_drain_spool(struct text_buffer *text, const struct event *event)
{
    const struct drain_spool_facts *facts = event->drain_spool;
    struct json_writer json;
    event_json_begin(&json, text, event);
    json_put_signed(&json, "fd", facts->fd);
    json_put_string(&json, "object", facts->object.name);
    json_put_string(&json, "path", facts->path);
    json_put_unsigned(&json, "offset", facts->offset);
    json_put_unsigned(&json, "bytes", facts->bytes);
    json_put_unsigned(&json, "writes", facts->writes);
    if (is_pipe(&facts->object))
        event_json_pipe(&json, &facts->object.pipe);
    event_json_end(&json);
}

static void json_reader(struct json_writer *json, const struct drain_rescue *rescue)
{
    if (rescue->reader.pid == 0)
        return;
    json_open(json, "reader", '{');
    json_put_signed(json, "pid", rescue->reader.pid);
    json_put_string(json, "comm", rescue->reader.comm);
    json_put_string(json, "name", rescue->reader_name);
    if (rescue->reader.waits_in[0])
        json_put_string(json, "waits_in", rescue->reader.waits_in);
    if (rescue->where[0])
        json_put_string(json, "where", rescue->where);
    json_close(json, '}');
}

static void json_rescues(struct json_writer *json, const struct summary *summary)
{
    json_open(json, "rescued", '[');
    for (unsigned i = 0; i < summary->rescue_count; i++) {
        const struct drain_rescue *rescue = &summary->rescues[i];
        json_open(json, NULL, '{');
        json_put_signed(json, "fd", rescue->fd);
        json_put_string(json, "object", rescue->object);
        json_reader(json, rescue);
        json_put_milliseconds(json, "hung_ms", rescue->hung_ns);
        json_put_bool(json, "to_the_end", rescue->to_the_end);
        json_put_unsigned(json, "peak_bytes", rescue->peak_bytes);
        json_put_unsigned(json, "lost_bytes", rescue->lost_bytes);
        json_put_unsigned(json, "handed_over_bytes", rescue->handed_over_bytes);
        json_put_unsigned(json, "spooled_bytes", rescue->spooled_bytes);
        json_close(json, '}');
    }
    json_close(json, ']');
}

void event_json_drain_totals(struct json_writer *json, const struct summary *summary)
{
    const struct drain_totals *totals = &summary->drain;
    json_open(json, "drain", '{');
    json_put_unsigned(json, "episodes", totals->episodes);
    json_put_unsigned(json, "queued_bytes", totals->queued_bytes);
    json_put_unsigned(json, "peak_bytes", totals->peak_bytes);
    json_put_unsigned(json, "dropped_bytes", totals->dropped_bytes);
    json_put_unsigned(json, "dropped_writes", totals->dropped_writes);
    json_put_unsigned(json, "lost_bytes", totals->lost_bytes);
    json_put_unsigned(json, "handed_over_bytes", totals->handed_over_bytes);
    json_put_unsigned(json, "spooled_bytes", totals->spooled_bytes);
    json_rescues(json, summary);
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
        event_text_peers(text, event, &facts->object.pipe);
}

void event_text_drain_loss(struct text_buffer *text, const struct event *event)
{
    enum drain_loss what = event->loss.what;
    static const struct {
        const char *headline, *words;
    } said[] = {
        [DRAIN_DROPPED] = {"DROPPED", " writes dropped: the queue is full\n"},
        [DRAIN_HANDED_OVER] = {"HANDOFF", " writes are still queued: a helper process goes on "
                                          "sending them\n"},
        [DRAIN_LOST_WITH_INIT] = {"LOST", " writes were not read in time: this is the first "
                                          "process of its PID namespace, and the kernel ends the "
                                          "helper process with it (PIPESHIM_DRAIN_EXIT=wait "
                                          "waits; an init before it helps)\n"},
        [DRAIN_LOST_WITHOUT_HELPER] = {"LOST", " writes that were queued: the helper process which "
                                               "should have sent them was killed, and no other "
                                               "could be started for them\n"},
    };
    event_text_begin(text, event, said[what].headline);
    number(text, event->loss.bytes, " bytes of ");
    number(text, event->loss.writes, said[what].words);
    event_text_lost(text, event);
}

void event_text_drain_wait(struct text_buffer *text, const struct event *event)
{
    const struct drain_wait_facts *facts = event->drain_wait;
    event_text_begin(text, event, "WAITS");
    text_string(text, facts->exits ? "the exit" : "the exec");
    text_string(text, " waits for ");
    number(text, facts->bytes, " queued bytes of fd ");
    text_signed(text, facts->fd);
    text_string(text, " (");
    text_printable(text, facts->object.name);
    text_string(text, "), which are not read: ");
    if (facts->limit_ns == UINT64_MAX) {
        text_string(text, "for ever");
    } else {
        text_string(text, "up to ");
        text_milliseconds(text, facts->limit_ns);
        text_string(text, " ms");
    }
    text_string(text, " (PIPESHIM_DRAIN_EXIT)");
    if (facts->limit_ns == UINT64_MAX)
        text_string(text, "\n");
    else if (facts->spools)
        text_string(text, ", then they go to PIPESHIM_DRAIN_SPOOL\n");
    else if (facts->is_first)
        text_string(text, ", then they are lost: this is the first process of its PID namespace, "
                          "and the kernel ends the helper process with it\n");
    else
        text_string(text, ", then a helper process goes on sending them\n");
    event_text_lost(text, event);
    if (is_pipe(&facts->object))
        event_text_peers(text, event, &facts->object.pipe);
}

void event_text_drain_spool(struct text_buffer *text, const struct event *event)
{
    const struct drain_spool_facts *facts = event->drain_spool;
    event_text_begin(text, event, "SPOOLED");
    number(text, facts->bytes, " bytes of ");
    number(text, facts->writes, " writes to fd ");
    text_signed(text, facts->fd);
    text_string(text, " (");
    text_printable(text, facts->object.name);
    text_string(text, "), which nobody has read, are in ");
    text_printable(text, facts->path);
    text_string(text, " from byte ");
    number(text, facts->offset, " on; the pipe is let go\n");
    event_text_lost(text, event);
    if (is_pipe(&facts->object))
        event_text_peers(text, event, &facts->object.pipe);
}

/* "stdout", "fd 7". */
static void stream_name(struct text_buffer *text, int fd)
{
    if (fd == 1 || fd == 2) {
        text_string(text, fd == 1 ? "stdout" : "stderr");
    } else {
        text_string(text, "fd ");
        text_signed(text, fd);
    }
}

static void rest(struct text_buffer *text, uint64_t bytes, const char *what)
{
    if (bytes == 0)
        return;
    text_string(text, ", ");
    number(text, bytes, what);
}

void event_text_rescue(struct text_buffer *text, const struct drain_rescue *rescue)
{
    text_string(text, "  rescued: ");
    stream_name(text, rescue->fd);
    text_string(text, " (");
    text_printable(text, rescue->object);
    text_string(text, ") was not read");
    if (rescue->reader.pid != 0) {
        text_string(text, " by ");
        text_printable(text, rescue->reader_name);
        text_string(text, " (");
        text_signed(text, rescue->reader.pid);
        text_string(text, ")");
    }
    if (rescue->where[0]) {
        text_string(text, ", which stood at ");
        text_printable(text, rescue->where);
    } else if (rescue->reader.waits_in[0]) {
        text_string(text, ", which waited in ");
        text_printable(text, rescue->reader.waits_in);
    }
    text_string(text, ": this program would have hung for ");
    text_milliseconds(text, rescue->hung_ns);
    text_string(text,
                rescue->to_the_end ? " ms, until its end and beyond; at most " : " ms; at most ");
    number(text, rescue->peak_bytes, " bytes queued, ");
    if (rescue->lost_bytes)
        number(text, rescue->lost_bytes, " lost");
    else
        text_string(text, "nothing lost");
    rest(text, rescue->handed_over_bytes, " handed over");
    rest(text, rescue->spooled_bytes, " spooled");
}

void event_text_drain_totals(struct text_buffer *text, const struct summary *summary)
{
    const struct drain_totals *totals = &summary->drain;
    for (unsigned i = 0; i < summary->rescue_count; i++) {
        event_text_rescue(text, &summary->rescues[i]);
        text_string(text, "\n");
    }
    if (totals->episodes == 0 && totals->dropped_writes == 0)
        return;
    text_string(text, "  drained: ");
    number(text, totals->queued_bytes, " bytes in ");
    number(text, totals->episodes, " episodes, at most ");
    number(text, totals->peak_bytes, " at once, ");
    number(text, totals->dropped_bytes, " dropped, ");
    number(text, totals->lost_bytes, " lost, ");
    number(text, totals->handed_over_bytes, " handed over");
    if (totals->spooled_bytes) {
        text_string(text, ", ");
        number(text, totals->spooled_bytes, " spooled");
    }
    text_string(text, "\n");
}
