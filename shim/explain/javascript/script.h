// SPDX-License-Identifier: MIT
/* Scripts: their names, and the lines of their text. */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_SCRIPT_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_SCRIPT_H

#include "explain/javascript/heap.h"

enum { V8_SOURCE_LIMIT = 8 << 20 }; /* bytes of a text whose lines are counted */

/* Writes the script's name as V8 has it: a path, "file:///…", "node:fs"; of code made by eval or
 * Function its `//# sourceURL`, else "eval in " and the name of the script that made it. False, and
 * an empty text, if there is none. */
bool v8_script_name(struct v8_heap *heap, uint64_t script, char *to, size_t capacity);

/* True if the script names a source map: it was generated from another file. */
bool v8_script_is_generated(struct v8_heap *heap, uint64_t script);

/* A position, and the line and column (both from 1) that belong to it; 0: not known. */
struct v8_line {
    int32_t position;
    int line, column;
};

/* Fills in the lines of `count` positions of one script, sorted by position. From the table that V8
 * has made if the program ever asked for a stack, else by counting the lines of its text in one
 * pass: 2 us for each 16 KiB. */
void v8_script_lines(struct v8_heap *heap, uint64_t script, struct v8_line *lines, unsigned count);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
