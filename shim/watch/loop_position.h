// SPDX-License-Identifier: MIT
/*
 * Where in the program an event loop runs: the stack at its own wait, to be compared with a later
 * stack of the same thread.
 *
 * What lies above the function that runs the loop stays the same for as long as the loop runs. A
 * later stack differs from the wait's at the function that calls both the wait and the callbacks;
 * the wait lies few calls below that (uv_run → uv__io_poll; _run_once → select). A loop that was
 * left differs much further out: at what had called asyncio.run() or uv_run().
 */
#ifndef PIPESHIM_WATCH_LOOP_POSITION_H
#define PIPESHIM_WATCH_LOOP_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/incident.h"
#include "facts/stack.h"

enum { POSITION_LIMIT = 64 };

struct loop_position {
    bool taken;
    unsigned count;              /* 0: no complete stack was to be had */
    unsigned python_count;       /* likewise */
    uint64_t pc[POSITION_LIMIT]; /* outermost first */
    struct {
        uint64_t code, instruction;
    } python[POSITION_LIMIT];
};

/* Remembers the stack of thread_stack.h and the incident's Python frames. */
void loop_position_take(struct loop_position *position, const struct incident *incident);

/* True if the stack of thread_stack.h (or the incident's Python frames, where there are some) is of
 * the same thread after the loop was left; false when it is not or is not known. */
bool loop_position_is_left(const struct loop_position *position, const struct incident *incident);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
