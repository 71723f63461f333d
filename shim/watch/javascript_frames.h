// SPDX-License-Identifier: MIT
/* The JavaScript half of a report: finds the engine once, reads the frames of a thread's stack. */
#ifndef PIPESHIM_WATCH_JAVASCRIPT_FRAMES_H
#define PIPESHIM_WATCH_JAVASCRIPT_FRAMES_H

#include <stdbool.h>

#include "explain/stack_snapshot.h"
#include "facts/incident.h"
#include "facts/stack.h"
#include "kernel/memory_reader.h"

/* Looks for an engine in this process; returns what the `start` event says of it ("" without one).
 * The text is static. Async-signal-safe; some 100 us. */
const char *javascript_frames_begin(const struct memory_reader *memory);

/* True if the engine's frames are read: a stack is then to be unwound as deep as it can be, because
 * what the engine's own C++ frames leave of the usual depth may be little. */
bool javascript_frames_wanted(const struct memory_reader *memory);

/* Adds the JavaScript frames of the stack `trace`, which was made from `snapshot`, to the incident,
 * and puts them in the place of machine code in its stack hash. The caller makes sure that the
 * thread was asleep before and after. */
void javascript_frames_add(const struct memory_reader *memory, const struct stack_trace *trace,
                           struct stack_snapshot *snapshot, struct incident *incident);

/* Runs on: watchdog. AS-safe: no. Blocks: no. */
#endif
