// SPDX-License-Identifier: MIT
/* A `deadlock` or `finding` event as the structures that report/finding_text.h prints: so that a
 * log that is read later says the same words as the one who wrote it. */
#ifndef PIPESHIM_CLI_REPORT_EVENT_FINDING_H
#define PIPESHIM_CLI_REPORT_EVENT_FINDING_H

#include <jansson.h>
#include <stdbool.h>

#include "facts/member.h"
#include "graph/finding.h"

struct event_finding {
    struct wait_finding finding;
    struct member members[CHAIN_LIMIT];
    uint64_t blocked_ns;
};

/* False when the event is neither. What is missing or damaged reads as not known. `to` is large:
 * not for a stack. */
bool event_finding_read(const json_t *event, struct event_finding *to);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
