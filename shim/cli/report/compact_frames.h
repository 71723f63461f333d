// SPDX-License-Identifier: MIT
/*
 * PIPESHIM_STACK_FORMAT=compact: frames that are strings become the objects that they stand for, so
 * that nobody who reads events needs to know both.
 */
#ifndef PIPESHIM_CLI_REPORT_COMPACT_FRAMES_H
#define PIPESHIM_CLI_REPORT_COMPACT_FRAMES_H

#include <jansson.h>

/* The modules that each process of a log has named so far; NULL: none. */
struct compact_modules;

/* Takes what `event` says of modules, and expands its `stack`, `python` and `javascript`, and of
 * the members of its chain the one frame that is told of them. `event` NULL, or of a full log:
 * nothing is done. Strings that are no frames stay what they are. */
void compact_frames_expand(struct compact_modules **modules, json_t *event);

void compact_modules_free(struct compact_modules *modules);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
