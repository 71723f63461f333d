// SPDX-License-Identifier: MIT
/* V8's tables of source positions, and where bytecodes begin. */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_POSITIONS_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_POSITIONS_H

#include "explain/javascript/heap.h"

/* How a table's entries are coded: V8 14.1 added a bit. Nothing says which it is, but only one of
 * them makes sense of a table. */
enum v8_encoding {
    V8_ENCODING_UNKNOWN,
    V8_ENCODING_OLD, /* one bit beside the offset */
    V8_ENCODING_NEW, /* two bits */
};

/* Bytecodes::kBytecodeSizes: how long each bytecode is with operands of one, two and four bytes. */
enum { V8_BYTECODES_LIMIT = 256, V8_SCALES = 3 };
struct v8_bytecodes {
    unsigned count; /* 0: not known */
    unsigned char size[V8_SCALES * V8_BYTECODES_LIMIT];
};

/* Where a position table may be right: the length of the code, the function's text. */
struct v8_position_range {
    int32_t length;
    int32_t start, end; /* -1: not known */
};

struct v8_position {
    int32_t offset;   /* in the script, UTF-16 code units; -1: none */
    int32_t inlining; /* of optimized code: the entry of its inlining table; -1: not inlined */
};

/* A BytecodeArray: its bytes. */
bool v8_bytecode_locate(struct v8_heap *heap, uint64_t bytecode, uintptr_t *bytes,
                        uint32_t *length);

/* The position of the bytecode at `offset` (-1: the function's entry) of a BytecodeArray, by its
 * table. False if there is none, or anything in the table does not fit: every entry must be at the
 * start of a bytecode (where `bytecodes` says where they are) and inside the range of the function.
 */
bool v8_bytecode_position(struct v8_heap *heap, const struct v8_bytecodes *bytecodes,
                          uint64_t bytecode, enum v8_encoding encoding, int32_t start, int32_t end,
                          int32_t offset, int32_t *position);

/* Whether a bytecode begins at `offset`; its number in the interpreter's table of handlers, which
 * has V8_BYTECODES_LIMIT places for each scale. */
bool v8_bytecode_handler(struct v8_heap *heap, const struct v8_bytecodes *bytecodes,
                         uint64_t bytecode, int32_t offset, unsigned *handler);

/* Which encoding makes sense of the array's table; unknown: both or none. */
enum v8_encoding v8_bytecode_encoding(struct v8_heap *heap, const struct v8_bytecodes *bytecodes,
                                      uint64_t bytecode, int32_t start, int32_t end);

/* The bytecode that baseline code was compiled from, by the code's table: the last one whose code
 * ends at or after `code_offset`; -1: the function's entry. */
bool v8_baseline_offset(struct v8_heap *heap, const struct v8_bytecodes *bytecodes,
                        uint64_t bytecode, uint64_t table, uint32_t code_offset, int32_t *offset);

/* The position of the instruction at `offset` of optimized code. */
bool v8_code_position(struct v8_heap *heap, uint64_t table, enum v8_encoding encoding,
                      int32_t length, int32_t offset, struct v8_position *position);

/* A position as optimized code stores it, in its inlining table too; false: not of a script. */
bool v8_position_decode(int64_t coded, struct v8_position *position);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
