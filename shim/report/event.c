// SPDX-License-Identifier: MIT
#include "report/event.h"

/* By kind; the second name is of the other case, see event_name(). scripts/check-events.py reads
 * this table. */
static const char names[EVENT_KIND_COUNT][2][16] = {
    [EVENT_START] = {"start"},
    [EVENT_BLOCKED] = {"blocked"},
    [EVENT_UNBLOCKED] = {"unblocked"},
    [EVENT_STILL] = {"still"},
    [EVENT_LAG] = {"lag"},
    [EVENT_LAG_END] = {"lag_end"},
    [EVENT_FINDING] = {"finding", "deadlock"},
    [EVENT_FILLING] = {"filling"},
    [EVENT_DRAIN] = {"drain_start", "drain_end"},
    [EVENT_DRAIN_LOSS] = {"drain_drop", "drain_handoff"},
    [EVENT_DRAIN_WAIT] = {"drain_wait"},
    [EVENT_DRAIN_SPOOL] = {"drain_spool"},
    [EVENT_ACTION] = {"action"},
    [EVENT_CONFIG] = {"config"},
    [EVENT_WARNING] = {"warning"},
    [EVENT_SUMMARY] = {"summary"},
};

const char *event_name(const struct event *event)
{
    bool other = (event->kind == EVENT_FINDING && event->graph.finding->kind == FINDING_DEADLOCK) ||
                 (event->kind == EVENT_DRAIN && event->drain->ref != 0) ||
                 (event->kind == EVENT_DRAIN_LOSS && event->loss.what == DRAIN_HANDED_OVER);
    return names[event->kind][other];
}

void event_render(const struct event_format *format, struct text_buffer *text,
                  const struct event *event)
{
    void (*const by_kind[EVENT_KIND_COUNT])(struct text_buffer *, const struct event *) = {
        [EVENT_START] = format->start,
        [EVENT_BLOCKED] = format->blocked,
        [EVENT_UNBLOCKED] = format->unblocked,
        [EVENT_STILL] = format->still,
        [EVENT_LAG] = format->lag,
        [EVENT_LAG_END] = format->lag_end,
        [EVENT_FINDING] = format->finding,
        [EVENT_FILLING] = format->filling,
        [EVENT_DRAIN] = format->drain,
        [EVENT_DRAIN_LOSS] = format->drain_loss,
        [EVENT_ACTION] = format->action,
        [EVENT_CONFIG] = format->config,
        [EVENT_WARNING] = format->warning,
        [EVENT_SUMMARY] = format->summary,
        [EVENT_DRAIN_WAIT] = format->drain_wait,
        [EVENT_DRAIN_SPOOL] = format->drain_spool,
    };
    by_kind[event->kind](text, event);
}
