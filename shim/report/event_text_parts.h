// SPDX-License-Identifier: MIT
/* What the events for a person have in common. Async-signal-safe. */
#ifndef PIPESHIM_REPORT_EVENT_TEXT_PARTS_H
#define PIPESHIM_REPORT_EVENT_TEXT_PARTS_H

#include "report/event.h"

/* "pipeshim: WORD engine[2707] thread engine[2709] ": the line that grep finds. */
void event_text_begin(struct text_buffer *text, const struct event *event, const char *word);
/* Records that were lost and reports that were held back before this one. */
void event_text_lost(struct text_buffer *text, const struct event *event);
/* The Python frames and the C stack, or that they were shown before. */
void event_text_stacks(struct text_buffer *text, const struct incident *incident, bool with_stack);
/* ": full 65536 of 65536 bytes, 16/16 slots", as much of it as is known. */
void event_text_fill(struct text_buffer *text, const struct pipe_facts *pipe);
/* The child that is waited for; the process at a socket's other end. `pid`: whose call it is. */
void event_text_other_process(struct text_buffer *text, const struct object_facts *object, int pid);
/* Who holds the pipe's other end. */
void event_text_peers(struct text_buffer *text, const struct event *event,
                      const struct pipe_facts *pipe);
/* "  rescued: stderr (pipe:[7]) was not read by …", without the line's end. */
void event_text_rescue(struct text_buffer *text, const struct drain_rescue *rescue);
/* The summary's drainer, if it had to do. */
void event_text_drain_totals(struct text_buffer *text, const struct summary *summary);
/* The summary's event loops. */
void event_text_loops(struct text_buffer *text, const struct summary *summary);

/* Members of event_format_text that stand in files of their own. */
void event_text_lag(struct text_buffer *text, const struct event *event);
void event_text_lag_end(struct text_buffer *text, const struct event *event);
void event_text_finding(struct text_buffer *text, const struct event *event);
void event_text_filling(struct text_buffer *text, const struct event *event);
void event_text_drain(struct text_buffer *text, const struct event *event);
void event_text_drain_loss(struct text_buffer *text, const struct event *event);
void event_text_drain_wait(struct text_buffer *text, const struct event *event);
void event_text_drain_spool(struct text_buffer *text, const struct event *event);

/* Runs on: any, under the lock of report/. AS-safe: yes. Blocks: no. */
#endif
