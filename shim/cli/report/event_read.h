// SPDX-License-Identifier: MIT
/*
 * A line of a log as the event that the library wrote (report/event.h), so that the tool says it in
 * the same words, by the same code. A log is untrusted: what is missing or damaged reads as not
 * known.
 */
#ifndef PIPESHIM_CLI_REPORT_EVENT_READ_H
#define PIPESHIM_CLI_REPORT_EVENT_READ_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/report/event_finding.h"
#include "cli/report/event_read_stack.h"
#include "report/event.h"

struct read_event {
    struct event event; /* points into what follows, and into the JSON */
    struct incident incident;
    struct lag_facts lag;
    struct drain_facts drain;
    struct drain_wait_facts drain_wait;
    struct drain_spool_facts drain_spool;
    struct event_finding finding;
    struct setting_change changes[CHANGES_LIMIT];
    const char *changed_from[CHANGES_LIMIT];
    struct read_stack stack;
};

/* False: of a kind that is no news by itself (start, summary), or of none that is known. `to` is
 * large: not for a stack. It holds as long as `json` does. */
bool event_read(const json_t *json, struct read_event *to);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
