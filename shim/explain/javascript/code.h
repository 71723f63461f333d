// SPDX-License-Identifier: MIT
/* Compiled code: which one a pc belongs to, and what it says of it. */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_CODE_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_CODE_H

#include "explain/javascript/heap.h"
#include "explain/javascript/positions.h"

struct v8_code {
    uint64_t object;
    uint64_t start; /* of its instructions */
    uint32_t size;
    int32_t kind; /* as v8_layout's published code_kind_baseline counts */
};

enum { V8_KIND_ABOVE_BASELINE_MAGLEV = 1, V8_KIND_ABOVE_BASELINE_TURBOFAN = 2 };

/* Finds the code object that the return address `pc` lies in, by what stands before it in memory:
 * up to 2 MiB are searched. `*stream_map` is the map that such objects have: 0 at first, then kept
 * by the caller: with it the search is short. */
bool v8_code_find(struct v8_heap *heap, uint64_t pc, uint64_t *stream_map, struct v8_code *code);

/* One of the functions that are at work at an instruction. */
struct v8_inlined {
    uint64_t shared;  /* 0: the code's own function */
    int32_t position; /* in its script; -1: not known */
};

enum { V8_INLINED_LIMIT = 64 };

/* The functions at `pc` of optimized code of the function `shared`, innermost first; returns how
 * many, 0 if that is not certain. Where a call would return to: pc - 1 is in the call. */
unsigned v8_code_inlined(struct v8_heap *heap, const struct v8_code *code, uint64_t pc, bool exact,
                         enum v8_encoding encoding, uint64_t shared, struct v8_inlined *out);

/* Whether baseline code was compiled from this BytecodeArray. */
bool v8_code_is_of_bytecode(struct v8_heap *heap, const struct v8_code *code, uint64_t bytecode);

/* The table of a code object: source positions, or of baseline code the ends of bytecodes. */
bool v8_code_table(struct v8_heap *heap, const struct v8_code *code, uint64_t *table);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
