// SPDX-License-Identifier: MIT
/* What goes on between processes, for a person. */
#include "base/utf8.h"
#include "report/event_text_parts.h"

void event_text_finding(struct text_buffer *text, const struct event_head *head,
                        const struct wait_finding *finding)
{
    event_text_begin(text, head, finding->kind == FINDING_DEADLOCK ? "DEADLOCK" : "FINDING");
    text_printable(text, finding->words);
    text_char(text, '\n');
    event_text_lost(text, head);
    for (unsigned i = 0; i < finding->count; i++) {
        const struct chain_link *link = &finding->chain[i];
        text_string(text, "  ");
        text_printable(text, link->comm);
        text_char(text, '[');
        text_signed(text, link->pid);
        text_string(text, "] waits in ");
        text_printable(text, link->waits_in);
        if (link->object[0]) {
            text_string(text, " on ");
            text_printable(text, link->object);
        }
        text_string(text, " for ");
        text_signed(text, link->for_pid);
        text_char(text, '\n');
    }
    text_string(text, "  fix: ");
    text_printable(text, finding->advice);
    text_char(text, '\n');
}

void event_text_filling(struct text_buffer *text, const struct event_head *head, int fd,
                        const struct object_facts *object, const struct fill_forecast *forecast)
{
    const struct pipe_facts *pipe = &object->pipe;
    event_text_begin(text, head, "FILLING");
    text_printable(text, object->name);
    text_string(text, " (fd ");
    text_signed(text, fd);
    text_string(text, ") holds ");
    text_signed(text, pipe->used);
    text_string(text, " of ");
    text_signed(text, pipe->capacity);
    text_string(text, " bytes and is not read: full in ");
    text_milliseconds(text, (uint64_t)forecast->full_in_ms * 1000);
    text_string(text, " s at ");
    text_signed(text, forecast->bytes_per_s);
    text_string(text, " bytes/s, then the writer blocks\n");
    event_text_lost(text, head);
    event_text_peers(text, pipe);
    text_string(text, "  fix: ");
    text_string(text, event_advice_filling());
    text_char(text, '\n');
}
