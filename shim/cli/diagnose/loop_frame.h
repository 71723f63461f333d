// SPDX-License-Identifier: MIT
/* Is a thread in what its event loop has called, as its stack shows? Pure, on names that come from
 * outside. */
#ifndef PIPESHIM_CLI_DIAGNOSE_LOOP_FRAME_H
#define PIPESHIM_CLI_DIAGNOSE_LOOP_FRAME_H

#include <stdbool.h>

#include "facts/python_frame.h"
#include "facts/stack.h"

/* Frames from the innermost on. True: the innermost loop among them has called a handler, or a
 * task's step, that has not come back. asyncio (and what runs on it), trio. False: it rests, or
 * there is none. */
bool loop_has_called_python(const struct python_frame *frames, unsigned count);

/* The same of a C stack whose thread is not in a wait for events: libuv (Node), libevent, libev. */
bool loop_has_called_native(const struct stack_frame_name *frames, unsigned count);

/* Runs on: tool. AS-safe: yes. Blocks: no. */
#endif
