// SPDX-License-Identifier: MIT
/*
 * An event loop that has been late ever since its first turn. It never sleeps: each of its waits is
 * a question with timeout 0, which else makes no loop (doors/wait_doors.c). A Node whose timers are
 * due when its first turn begins is one, as on a busy machine one in twenty is that computes from
 * its start on.
 *
 * What tells it from a program that asks an epoll now and then: it has had work, or has been ready
 * for it, all the time between its questions, and sleeps nowhere else.
 */
#ifndef PIPESHIM_WATCH_BUSY_LOOP_H
#define PIPESHIM_WATCH_BUSY_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "slots/slot.h"

/* On each scan of a thread that is no event loop. One that has been such a loop for half a second
 * has its questions counted as waits from now on, in `slot->waits`. */
void busy_loop_take(struct slot *slot, uint64_t now);

/* True if busy_loop_take() has taken the thread for a loop, and another one sleeps on its epoll:
 * it asks on that one's behalf (trio's guest mode, a pool of tokio's). Its waits are forgotten. */
bool busy_loop_was_none(struct slot *slot);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
