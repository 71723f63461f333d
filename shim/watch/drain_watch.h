// SPDX-License-Identifier: MIT
/*
 * Tells what the drainer does: the pipe that it took over, the end, what it dropped. The threads
 * that write only count; the watchdog sees it at its next scan, and the exit what is left.
 */
#ifndef PIPESHIM_WATCH_DRAIN_WATCH_H
#define PIPESHIM_WATCH_DRAIN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/status_page.h"

/* On the watchdog thread. Returns when to call again (CLOCK_MONOTONIC, ns). A few loads when
 * nothing is drained. */
uint64_t drain_watch_scan(uint64_t now);

/* After drain_finish(): what was not told yet; what goes to a file, and the hand-over. `exits`: not
 * an exec. Async-signal-safe. */
void drain_watch_end(bool exits);

/* Makes drain_finish() ask here who reads, and what becomes of what exit's last flush queues.
 * Constructor, after the settings. */
void drain_watch_prepare(void);

/* A forked child: what its parent reported is not its to end. */
void drain_watch_begin_in_child(void);

/* Pipes with something in the queue now: copies at most `limit`, returns how many there are. */
unsigned drain_watch_drains(struct status_drain *out, unsigned limit);

/* Runs on: watchdog; drain_watch_end(): the thread that ends. AS-safe: yes. Blocks: no. */
#endif
