// SPDX-License-Identifier: MIT
/*
 * A record as fields for systemd's journal: MESSAGE is the text for a person, PIPESHIM_JSON the
 * line that a file would get, and what one wants to ask the journal for is a field of its own
 * (systemd.journal-fields(7)). EVENTS.md lists them.
 */
#ifndef PIPESHIM_REPORT_JOURNAL_RECORD_H
#define PIPESHIM_REPORT_JOURNAL_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/text_buffer.h"
#include "explain/user_frame.h"
#include "report/event.h"

/* What an event says of one call; all zero: nothing. */
struct journal_facts {
    const char *class;
    uint64_t blocked_ns;
    uint64_t stack_hash;
    int peer_pid;
    struct code_place place; /* in the user's code */
};

/* Takes from an event what it says of one call. */
void journal_facts_of(const struct event *event, struct journal_facts *facts);

/* The priority of syslog(3) of an event: 3 a deadlock, 4 what needs somebody to look, 5, 6. */
unsigned journal_priority(const char *event);

/* Appends the fields of event `event`. `lines`: the JSON line and after it the text, each ended by
 * a newline. Nothing is cut but the text's end. */
void journal_record(struct text_buffer *record, const char *event, uint64_t seq,
                    const struct journal_facts *facts, const char *lines, size_t size);

/* Puts "<N>" before each line, N being `priority`, as a service's stderr has it (sd-daemon(3)). A
 * line for which there is no space any more is left out. */
void journal_prefix_lines(struct text_buffer *text, unsigned priority);

/* Runs on: any, under the lock of report/. AS-safe: yes. Blocks: no. */
#endif
