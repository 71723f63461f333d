// SPDX-License-Identifier: MIT
/*
 * Readiness waits that no other process can end: for time, for a signal, or for the only pipe of
 * the set when this process has both ends of it (make's jobserver, also one that a sub-make has
 * inherited; a self-pipe, by which a signal handler or another thread wakes the thread; gunicorn's
 * arbiter). None of these is an event loop's (watch/readiness_set.h), so none needs a watchdog.
 *
 * It is decided when the call is entered: nothing runs in a process that sleeps and has no second
 * thread.
 */
#ifndef PIPESHIM_DOORS_OWN_WAIT_H
#define PIPESHIM_DOORS_OWN_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/calls.h"

enum { WAIT_ARGUMENTS = 4 };

/* The first arguments of a call of class POLL, as they were given: also addresses at which nothing
 * is. False for epoll, and where it cannot be known. Some 10 system calls, 300 where the other end
 * is not found. Async-signal-safe. */
bool wait_is_own(enum call_id call, const uint64_t arguments[WAIT_ARGUMENTS]);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
