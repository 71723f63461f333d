// SPDX-License-Identifier: MIT
/*
 * The Python frames of a thread, read from outside.
 *
 * CPython's own dumper crashes when another thread calls it, and the GIL may be held by the very
 * thread that hangs. So nothing here calls into Python: its structures are read as plain memory,
 * through a memory_reader, which cannot fault. CPython 3.8 to 3.14, static or in libpython.
 *
 * Nothing here allocates, locks, or keeps state: all functions are async-signal-safe, need less
 * than 32 KiB of stack, and leave errno alone. All that is read is untrusted and checked.
 */
#ifndef PIPESHIM_EXPLAIN_PYTHON_PYTHON_STACK_H
#define PIPESHIM_EXPLAIN_PYTHON_PYTHON_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/python/python_runtime.h"
#include "facts/python_frame.h"
#include "kernel/memory_reader.h"

/* Why a stack has no or not all frames, for a person; NULL when there is nothing to say. */
const char *python_completeness_reason(enum python_completeness completeness);

/* Writes the innermost `limit` frames of the thread whose kernel thread id is `tid` (as the process
 * itself sees it: in its own pid namespace) to `out`, innermost first; returns how many.
 * Exact for a thread that does not run Python code meanwhile: the caller makes sure that it was
 * blocked before and after. Some 3 reads a frame and at most a few thousand in all. */
unsigned python_read_stack(const struct python_runtime *runtime, const struct memory_reader *reader,
                           int tid, struct python_frame *out, unsigned limit,
                           struct python_stack_facts *facts);

/* The same for a thread that may be running: what it returns was the thread's stack at one moment,
 * or it returns nothing (0, PYTHON_STACK_MOVING). facts->completeness says what is there:
 * PYTHON_STACK_COMPLETE: the whole stack; the innermost line was reached during the call.
 * PYTHON_STACK_OUTER: the thread calls and returns faster than can be read; what is returned is
 * what stood still, the innermost of it at a line that makes these calls.
 * How: the chain is walked, then copied ten times or more at irregular moments, each time twice
 * within one system call, from the outermost frame to the innermost and back. What counts is equal
 * in all copies. It must end in an outermost frame as Python starts threads with. 60 us for a stack
 * that stands still, up to a millisecond for one that does not, and about 1 us for each frame
 * beyond the forty that are copied. Needs a reader with read_pieces. */
unsigned python_read_stack_running(const struct python_runtime *runtime,
                                   const struct memory_reader *reader, int tid,
                                   struct python_frame *out, unsigned limit,
                                   struct python_stack_facts *facts);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
