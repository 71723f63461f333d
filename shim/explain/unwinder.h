// SPDX-License-Identifier: MIT
/*
 * From a snapshot of a blocked thread's stack to the addresses of its frames.
 *
 * The frames come from the objects' unwind tables (.eh_frame), which explain/cfi reads: no library
 * is needed, nothing is allocated, no lock is taken. Where there are none, from frame pointers, but
 * only as far as each return address is proven: it follows a call instruction. A stack that is cut
 * short is useful, a false frame is not.
 */
#ifndef PIPESHIM_EXPLAIN_UNWINDER_H
#define PIPESHIM_EXPLAIN_UNWINDER_H

#include "explain/modules.h"
#include "explain/stack_snapshot.h"
#include "facts/stack.h"
#include "kernel/memory_reader.h"

/*
 * Unwinds the snapshot into `trace`, at most `depth` frames (STACK_DEPTH_LIMIT at most). `modules`
 * and `reader` are those of the process that the stack is of.
 *
 * The innermost frame is there in any case. With a snapshot that knows only pc and sp, a frame that
 * needs the frame pointer makes it search the stack for one, and what is found counts only if the
 * frames from there on reach the thread's outermost frame.
 *
 * Never faults on garbage or hostile tables, never waits for anything; bounded in reads and steps,
 * up to a few milliseconds for garbage, usually 5 to 50 us. Touches no thread-local storage. What
 * it keeps from one unwind to the next are hints that are checked before they count.
 */
void unwind_snapshot(struct stack_snapshot *snapshot, const struct modules *modules,
                     const struct memory_reader *reader, unsigned depth, struct stack_trace *trace);

#endif
/* Runs on: watchdog, tests. AS-safe: yes. Blocks: no. */
