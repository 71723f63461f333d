// SPDX-License-Identifier: MIT
/*
 * For GitHub's runners (GITHUB_ACTIONS=true): an annotation at the line of each deadlock and
 * finding, and a table in the job's summary (GITHUB_STEP_SUMMARY).
 */
#ifndef PIPESHIM_CLI_RUN_ANNOTATIONS_H
#define PIPESHIM_CLI_RUN_ANNOTATIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

bool run_annotations_wanted(void);

/* "::error file=parent.py,line=6,title=pipeshim DEADLOCK::…" for an event that deserves it. */
void run_annotations_write(const json_t *event, FILE *out);

/* Appends the event to the summary's file; a file that cannot be opened is one warning. */
void run_annotations_summary(const json_t *event);

/* Runs on: tool. AS-safe: no. Blocks: as its file does. */
#endif
