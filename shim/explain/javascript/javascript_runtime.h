// SPDX-License-Identifier: MIT
/* A process's JavaScript engine, V8 in Node.js: whether its frames can be read, and how. */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_JAVASCRIPT_RUNTIME_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_JAVASCRIPT_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/elf_symbols.h"
#include "explain/javascript/code.h"
#include "explain/javascript/heap.h"
#include "explain/javascript/positions.h"
#include "explain/module_bases.h"
#include "kernel/memory_reader.h"

enum { JAVASCRIPT_DESCRIPTION_LIMIT = 32 }; /* bytes, with the NUL */

enum javascript_support {
    JAVASCRIPT_ABSENT,     /* the process has no JavaScript engine */
    JAVASCRIPT_SUPPORTED,  /* frames can be read */
    JAVASCRIPT_UNKNOWN,    /* an engine that does not say how it is laid out, or too new a V8 */
    JAVASCRIPT_COMPRESSED, /* V8 with compressed pointers */
};

/* What is known of a process's engine. Plain data, valid while the process lives: the caller keeps
 * it, and gives it to each walk, which may learn something more. */
struct javascript_runtime {
    enum javascript_support support;
    int32_t major, minor;       /* V8's version; 0: not known */
    struct elf_symbols symbols; /* of the module that it is in */
    bool in_executable;         /* else in libnode.so */
    bool layout_read;           /* what follows is valid: read at the first walk */
    struct v8_layout layout;
    struct v8_bytecodes bytecodes;
    struct code_range code[CODE_RANGE_LIMIT]; /* where V8's builtins can lie */
    unsigned code_count;
    unsigned code_reads; /* how often that was looked up */
    int pid;             /* 0: the calling process */
    enum v8_encoding encoding;
    uint64_t stream_map;
};

/* Finds the engine of process `pid` (0: the calling process). True if its frames may be readable.
 * Some 100 us: /proc/PID/maps and a few look-ups by hash. A program can load its engine later:
 * JAVASCRIPT_ABSENT is an answer for now. `reader` must read the same process. */
bool javascript_runtime_find(const struct memory_reader *reader, int pid,
                             struct javascript_runtime *runtime);

/* Reads the layout, if that was not done yet: 2 to 5 ms, once in the life of a process. Sets
 * `support` anew; true if frames can be read. Needs 20 KiB of stack. */
bool javascript_runtime_prepare(const struct memory_reader *reader,
                                struct javascript_runtime *runtime);

/* Writes one word or two on the engine: "V8 12.4", "unknown"; an empty text if there is none.
 * JAVASCRIPT_DESCRIPTION_LIMIT bytes are enough. */
void javascript_runtime_describe(const struct javascript_runtime *runtime, char *to,
                                 size_t capacity);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: as long as the file systems of engines do. */
#endif
