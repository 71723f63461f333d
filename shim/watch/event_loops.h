// SPDX-License-Identifier: MIT
/*
 * Which threads are event loops (PIPESHIM_LOOP), and whether one is in its loop now.
 *
 * `auto` takes a thread that keeps coming back to the same readiness wait, the outermost one it has
 * made. What must not be taken for a loop:
 *   - a synchronous client's poll for its one socket (requests, urllib3, httpx; curl), a wait for a
 *     child's output (subprocess.communicate) or a line of input (readline), a server that accepts
 *     one connection and serves it before it looks again (gunicorn's sync worker): a poll or select
 * counts only if its set holds something that wakes a loop (watch/readiness_set.h). epoll always
 * counts;
 *   - a loop that was left: asyncio.run() has returned and the script goes on, sleeps, waits for
 * its children. The stack at the loop's own wait is remembered; a thread whose stack has lost that
 *     part of it which runs the loop, or that has closed the loop's epoll descriptor, is in no loop
 *     until it comes back;
 *   - a thread that waits for another one's loop (trio's guest mode): that one asks the same epoll
 *     without sleeping in it, and runs what is ready;
 *   - the wait of a loop that runs inside a callback of itself (a modal dialog of Qt,
 *     g_main_context_iteration): it waits on the same epoll or wake-up descriptor.
 * For the watchdog thread only.
 */
#ifndef PIPESHIM_WATCH_EVENT_LOOPS_H
#define PIPESHIM_WATCH_EVENT_LOOPS_H

#include <stdbool.h>

#include "kernel/memory_reader.h"
#include "watch/loop_position.h"
#include "watch/proof.h"

enum { LOOP_LIMIT = 32 }; /* loops at once; more are not watched */

enum loop_state {
    LOOP_RUNS,
    LOOP_LEFT, /* not in its loop until it has come back to its wait some times */
};

struct event_loop {
    int tid; /* 0: free */
    struct slot *slot;
    enum loop_state state;
    enum readiness_kind kind; /* which of its waits is the loop's own */
    uint64_t wait_sp;         /* where that is made from; 0: not known yet (PIPESHIM_LOOP=main) */
    int wait_fd;              /* its epoll descriptor, or what wakes it; -1: not seen yet */
    uint32_t left_at;         /* how often it had come back when it was left */
    struct loop_position position;
    uint64_t since_ns;   /* CLOCK_MONOTONIC: known as a loop */
    uint32_t generation; /* one more each time that the place is given to another loop, */
    uint32_t runs;       /* that a loop which was left is run again, */
    uint32_t waits_seen; /* and that its own wait turns out to be another one */
};

/* Forgets all: the watchdog begins, or a forked child. */
void event_loops_begin(void);

/* The event loop that the slot's thread runs now, or NULL. Cheap for threads that never made a
 * readiness wait. */
struct event_loop *event_loop_of(struct slot *slot, const struct memory_reader *memory,
                                 uint64_t now);

/* True if the record is a readiness wait and the loop's own. `call`: what the kernel says of it. */
bool event_loop_own_wait(const struct event_loop *loop, const struct slot_record *record,
                         const struct task_call *call, const struct memory_reader *memory);

/* Below LOOP_LIMIT: where what others know of the loop is kept. */
unsigned event_loop_index(const struct event_loop *loop);

/* How often the loop has come back to its wait. */
uint32_t event_loop_returns(const struct event_loop *loop);

/* True, and remembered, if the stack just taken (and the incident's Python frames) show that the
 * loop was left, or another thread turns out to run it. */
bool event_loop_is_left(struct event_loop *loop, const struct incident *incident);

/* True if one is known. */
bool event_loops_any(void);

/* Calls `visit` for each loop known, also those that were left. */
void event_loops_for_each(void (*visit)(struct event_loop *loop, void *context), void *context);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
