// SPDX-License-Identifier: MIT
/*
 * PIPESHIM_SUPPRESS: reports that are counted, not logged. One rule a line, '#' begins a comment:
 *   function:GLOB  module:GLOB  python:GLOB  javascript:GLOB  call:NAME
 *   class:NAME
 */
#ifndef PIPESHIM_REPORT_SUPPRESS_H
#define PIPESHIM_REPORT_SUPPRESS_H

#include <stdbool.h>

#include "facts/incident.h"

/* Reads the rules in the file `path`; complains, one line each, of a file that cannot be read, or
 * not in time, and of lines that are no rule (they are ignored). For the constructor. */
void suppress_load(const char *path, void (*complain)(const char *line, void *context),
                   void *context);

/* The same from text of `size` bytes, which is kept, not copied. */
void suppress_parse(const char *text, unsigned size,
                    void (*complain)(const char *line, void *context), void *context);

/* True if a rule fits the incident. Async-signal-safe. */
bool suppress_match(const struct incident *incident, const char *class_name);

/* Runs on: suppress_load() and suppress_parse(): constructor; suppress_match(): any. AS-safe: yes.
 * Blocks: suppress_load() 50 ms, where a file system hangs. */
#endif
