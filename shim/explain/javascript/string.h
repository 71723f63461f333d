// SPDX-License-Identifier: MIT
/* V8's strings: one or two bytes a character, flat, joined, sliced, replaced, outside the heap. */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_STRING_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_STRING_H

#include "explain/javascript/heap.h"

enum v8_string_keep {
    V8_STRING_KEEP_START, /* of a text that is too long keep its start: names */
    V8_STRING_KEEP_END,   /* keep its end: paths */
};

enum { V8_STRING_UNITS = 512 }; /* UTF-16 code units of a string that is read */

/* Writes the string to `to` (`capacity` bytes with the NUL, at least 8) as valid UTF-8. A cut is
 * shown by an ellipsis; lone surrogates and NULs become U+FFFD. False, and an empty text, if it
 * cannot be read. */
bool v8_string(struct v8_heap *heap, uint64_t string, enum v8_string_keep keep, char *to,
               size_t capacity);

/* A string's characters as one piece of memory. */
struct v8_text {
    uintptr_t address;
    uint32_t length; /* code units */
    unsigned width;  /* bytes of each: 1 or 2 */
};

/* Where the characters of a (flat) string lie; false for a joined one that was not flattened. */
bool v8_string_locate(struct v8_heap *heap, uint64_t string, struct v8_text *text);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
