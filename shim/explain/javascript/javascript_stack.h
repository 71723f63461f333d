// SPDX-License-Identifier: MIT
/*
 * The JavaScript frames of a thread of Node.js, read from outside.
 *
 * V8 can describe a stack only at a safepoint and only to its own thread, which is the one that
 * hangs. So nothing here calls into it: its frames, functions, bytecode and tables are read as
 * plain memory, with the layout constants that Node exports for debuggers. Node 18 to 26 on x86_64.
 *
 * All that is read is untrusted: each object's type is proven, each table must fit what it belongs
 * to, and all is read twice. What is not certain is left out, frame by frame, never guessed. A
 * frame that cannot be read (while its heap is being collected, objects move) is given as one that
 * cannot be read: without it the frame before would seem to be called by the one after it.
 */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_JAVASCRIPT_STACK_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_JAVASCRIPT_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/elf_symbols.h"
#include "explain/javascript/code.h"
#include "explain/javascript/heap.h"
#include "explain/javascript/positions.h"
#include "explain/module_bases.h"
#include "explain/stack_snapshot.h"
#include "facts/javascript_frame.h"
#include "facts/stack.h"
#include "kernel/memory_reader.h"

enum {
    JAVASCRIPT_FRAME_LIMIT = 256, /* frames of one stack that can be given */
    JAVASCRIPT_FEATURE_LIMIT = 32,
};

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

/* Writes one word or two on the engine: "V8 12.4", "unknown"; an empty text if there is none. */
void javascript_runtime_describe(const struct javascript_runtime *runtime, char *to,
                                 size_t capacity);

struct javascript_stack_facts {
    unsigned omitted;    /* frames beyond the limit */
    unsigned unreadable; /* of those that are given */
    bool lost;           /* outer frames may be missing */
};

/* What a walk needs besides: some 300 KiB, the caller's. */
struct javascript_workspace;
size_t javascript_workspace_size(void);

/* Writes the innermost `limit` (at most JAVASCRIPT_FRAME_LIMIT) JavaScript frames of the stack
 * `trace` to `out`, innermost first; returns how many. `snapshot` is the copy of the stack that the
 * trace was made from. It is of a thread that sleeps meanwhile, which the caller has to make
 * sure of, or a sample of one that runs; then the innermost frame may be missing, its line is left
 * out in a bytecode that cannot be proven, and `near` in optimized code. Some 100 to 300 us, a few
 * milliseconds at worst and at the first time. */
unsigned javascript_read_stack(struct javascript_runtime *runtime,
                               const struct memory_reader *reader,
                               struct javascript_workspace *workspace,
                               const struct stack_trace *trace, struct stack_snapshot *snapshot,
                               struct javascript_frame *out, unsigned limit,
                               struct javascript_stack_facts *facts);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
