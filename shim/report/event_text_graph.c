// SPDX-License-Identifier: MIT
/* What goes on between processes, for a person. */
#include "base/utf8.h"
#include "report/event_text_parts.h"
#include "report/finding_text.h"

void event_text_finding(struct text_buffer *text, const struct event *event)
{
    struct finding_report report = {.finding = event->graph.finding,
                                    .members = event->graph.members,
                                    .blocked_ns = event->graph.blocked_ns,
                                    .scans = 2};
    text_string(text, "pipeshim: ");
    finding_text_first_line(text, &report);
    event_text_lost(text, event);
    finding_text_rest(text, &report);
}

void event_text_filling(struct text_buffer *text, const struct event *event)
{
    const struct object_facts *object = event->filling.object;
    const struct fill_forecast *forecast = &event->filling.forecast;
    const struct pipe_facts *pipe = &object->pipe;
    event_text_begin(text, event, "FILLING");
    text_printable(text, object->name);
    text_string(text, " (fd ");
    text_signed(text, event->filling.fd);
    text_string(text, ") holds ");
    text_signed(text, pipe->used);
    text_string(text, " of ");
    text_signed(text, pipe->capacity);
    text_string(text, " bytes and fills faster than it is read: full in ");
    text_milliseconds(text, (uint64_t)forecast->full_in_ms * 1000);
    text_string(text, " s at ");
    text_signed(text, forecast->bytes_per_s);
    text_string(text, " bytes/s, then the writer blocks\n");
    event_text_lost(text, event);
    event_text_peers(text, event, pipe);
    text_string(text, "  fix: ");
    text_string(text, event_advice_filling());
    text_char(text, '\n');
}
