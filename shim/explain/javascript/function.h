// SPDX-License-Identifier: MIT
/* What V8 knows of a function apart from its code: its name, its place in a script. */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_FUNCTION_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_FUNCTION_H

#include "explain/javascript/heap.h"
#include "facts/javascript_frame.h"

struct v8_function {
    uint64_t shared;    /* the SharedFunctionInfo */
    uint64_t script;    /* 0: a builtin */
    uint64_t data;      /* its bytecode or code, or a Smi: the number of a builtin */
    int32_t start, end; /* its text in the script, UTF-16 code units; -1: not known */
    char name[JAVASCRIPT_FUNCTION_LIMIT];
};

/* Reads a SharedFunctionInfo; false if it is none, or not all of it fits together. */
bool v8_function_read(struct v8_heap *heap, uint64_t shared, struct v8_function *function);

/* True if the function is one of V8's own. */
bool v8_function_is_builtin(const struct v8_function *function);

/* Whether the function is run by this BytecodeArray. */
bool v8_function_has_bytecode(struct v8_heap *heap, const struct v8_function *function,
                              uint64_t bytecode);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
