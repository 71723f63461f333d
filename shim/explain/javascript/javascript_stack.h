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

#include "explain/javascript/javascript_runtime.h"
#include "explain/stack_snapshot.h"
#include "facts/javascript_frame.h"
#include "facts/stack.h"
#include "kernel/memory_reader.h"

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
