// SPDX-License-Identifier: MIT
/*
 * One event as text for a person who watches the program live: what the library's text log says.
 */
#ifndef PIPESHIM_CLI_REPORT_EVENT_TEXT_H
#define PIPESHIM_CLI_REPORT_EVENT_TEXT_H

#include <jansson.h>
#include <stdio.h>

/* Writes nothing for events that are no news by themselves (start, summary). Control characters of
 * the log's strings are replaced. `script`: as its process's `start` said, which is not in `event`;
 * NULL: nothing. */
void event_text_write(const json_t *event, const char *script, FILE *out);

/* Runs on: tool. AS-safe: no. Blocks: on its output. */
#endif
