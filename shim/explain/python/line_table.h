// SPDX-License-Identifier: MIT
/* From an instruction's offset to its source line, as CPython's PyCode_Addr2Line counts it. */
#ifndef PIPESHIM_EXPLAIN_PYTHON_LINE_TABLE_H
#define PIPESHIM_EXPLAIN_PYTHON_LINE_TABLE_H

#include <stdint.h>

#include "explain/python/offsets.h"
#include "kernel/memory_reader.h"

/* The line of the instruction at byte `instruction` of a code object that starts at line
 * `first_line` and has its table in the bytes object at `table`. 0: it belongs to no line, or the
 * table cannot be read. Async-signal-safe; reads the table in blocks, 64 KiB at most. */
int python_line_find(const struct python_offsets *offsets, const struct memory_reader *reader,
                     uintptr_t table, int first_line, int64_t instruction);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
