// SPDX-License-Identifier: MIT
/*
 * From a snapshot of a blocked thread's stack to the addresses of its frames.
 *
 * The frames come from the objects' unwind tables (.eh_frame), through libunwind. Where there are
 * none, from frame pointers, but only as far as each return address is proven: it follows a call
 * instruction. A stack that is cut short is useful, a false frame is not.
 */
#ifndef PIPESHIM_EXPLAIN_UNWINDER_H
#define PIPESHIM_EXPLAIN_UNWINDER_H

#include <stdbool.h>

#include "explain/stack_snapshot.h"
#include "facts/stack.h"
#include "kernel/memory_reader.h"

/*
 * Loads libunwind and has it allocate all that it ever takes from malloc. Calls modules_init() too.
 * In a thread of the program (the library's constructor), once. False: there is no libunwind,
 * unwind_snapshot() then knows frame pointers only.
 */
bool unwinder_init(void);

/*
 * In the child of a fork, before its first unwind_snapshot(). If the fork fell into an unwind of
 * the parent's watchdog, libunwind's locks are held for ever in the child: it goes on with frame
 * pointers only. Async-signal-safe.
 */
void unwinder_after_fork(void);

/*
 * Unwinds the snapshot into `trace`, at most `depth` frames (STACK_DEPTH_LIMIT at most).
 *
 * The innermost frame is there in any case. With a snapshot that knows only pc and sp, a frame that
 * needs the frame pointer makes it search the stack for one, and what is found counts only if the
 * frames from there on reach the thread's outermost frame.
 *
 * Never faults on garbage, never waits for the program's threads; bounded in reads and steps, up
 * to a few milliseconds for garbage, usually 20 to 100 us. Not async-signal-safe in the program's
 * threads: libunwind has locks (a mutex around its pools, with all signals blocked). It keeps
 * nothing from one unwind to the next but free memory.
 *
 * The very first unwind makes libunwind open a pipe that it never uses here (it belongs to its
 * local interface) and never closes: the thread should have an fd table of its own by then.
 */
void unwind_snapshot(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                     unsigned depth, struct stack_trace *trace);

#endif
