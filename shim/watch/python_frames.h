// SPDX-License-Identifier: MIT
/* The Python half of a report: finds the interpreter once, reads a blocked thread's frames. */
#ifndef PIPESHIM_WATCH_PYTHON_FRAMES_H
#define PIPESHIM_WATCH_PYTHON_FRAMES_H

#include "facts/incident.h"
#include "kernel/memory_reader.h"

/* Looks for CPython in this process; returns what the `start` event says of it ("" without one).
 * The text is static. Async-signal-safe; some 100 us. */
const char *python_frames_begin(const struct memory_reader *memory);

/* True if CPython is loaded, but its frames are not read: the settings say so, or its version
 * cannot be. Then each Python call may be several C frames, which tell nothing of where a program
 * is. */
bool python_frames_unread(const struct memory_reader *memory);

/* Adds the Python frames of incident->tid to the incident and to its stack hash. The caller makes
 * sure that the thread was asleep before and after. On the watchdog thread. */
void python_frames_add(const struct memory_reader *memory, struct incident *incident);

/* The same for a thread that may be running: adds frames only if they were right at one moment. */
void python_frames_add_running(const struct memory_reader *memory, struct incident *incident);

/* A forked child looks for the interpreter anew. */
void python_frames_begin_in_child(void);

/* Runs on: watchdog; python_frames_begin(): constructor too. AS-safe: yes. Blocks: no. */
#endif
