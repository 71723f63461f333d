// SPDX-License-Identifier: MIT
/* CPython's str objects as bounded UTF-8. Async-signal-safe. */
#ifndef PIPESHIM_EXPLAIN_PYTHON_PYTHON_TEXT_H
#define PIPESHIM_EXPLAIN_PYTHON_PYTHON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/python/offsets.h"
#include "kernel/memory_reader.h"

enum python_text_keep {
    PYTHON_TEXT_KEEP_START, /* of a text that is too long, keep its start: function names */
    PYTHON_TEXT_KEEP_END,   /* keep its end: paths */
};

/* Writes the str object at `address` to `to` (`capacity` bytes at most, with the NUL; at least 8
 * and at most 512) as valid UTF-8. A cut is shown by an ellipsis; lone surrogates (undecodable
 * bytes of a path) and NULs become U+FFFD. False, and an empty text, if there is no str. */
bool python_text_read(const struct python_offsets *offsets, const struct memory_reader *reader,
                      uintptr_t address, enum python_text_keep keep, char *to, size_t capacity);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
