// SPDX-License-Identifier: MIT
/*
 * Where an asyncio program waits: its event loop's stack ends in asyncio.run(), and the line that
 * is to be changed is the `await` that the main task has come to. The loop's frames have that task,
 * or its coroutine, among their variables; each coroutine holds on its stack what it awaits.
 *
 * CPython 3.10 to 3.14. What is read is believed only if its type says what it is.
 */
#ifndef PIPESHIM_EXPLAIN_PYTHON_PYTHON_AWAIT_H
#define PIPESHIM_EXPLAIN_PYTHON_PYTHON_AWAIT_H

#include "explain/python/python_runtime.h"
#include "facts/python_frame.h"

/*
 * `stack`: the frames of a thread that sleeps in its event loop, innermost first. Writes what the
 * loop's main task awaits to `out`, innermost first, `limit` frames at most (the outer ones are
 * left out); returns how many: 0, and nothing is written, when the thread is not in a loop, or in a
 * callback of the user's.
 */
unsigned python_read_awaits(const struct python_runtime *runtime,
                            const struct memory_reader *reader, const struct python_frame *stack,
                            unsigned count, struct python_frame *out, unsigned limit);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
