// SPDX-License-Identifier: MIT
/* The constants that V8 publishes, read from the memory of the module that holds it. */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_CONSTANTS_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_CONSTANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "explain/elf_symbols.h"
#include "kernel/memory_reader.h"

enum { V8_ABSENT = INT32_MIN }; /* the value of a constant that is not published */

struct v8_constants {
#define CONSTANT(field, name) int32_t field;
#define OPTIONAL(field, name) int32_t field;
#include "explain/javascript/constants.def"
#undef CONSTANT
#undef OPTIONAL
    uint64_t frame_types; /* bit n: n is the type of a frame that is not JavaScript's */
};

/* Reads them all in one pass over the dynamic symbols: 1 to 3 ms for node's 90,000. False if one
 * that is needed is missing. Needs 12 KiB of stack. */
bool v8_constants_read(const struct memory_reader *reader, const struct elf_symbols *symbols,
                       struct v8_constants *constants);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
