// SPDX-License-Identifier: MIT
/*
 * The drainer's events: a pipe that it took over, and the end of that; what it dropped, what an
 * exit waits for, what is handed over; what the kernel refuses it. One caller at a time.
 */
#ifndef PIPESHIM_WATCH_DRAIN_REPORTS_H
#define PIPESHIM_WATCH_DRAIN_REPORTS_H

#include <stdbool.h>
#include <stdint.h>

/* A pass over all queues at `now` (CLOCK_MONOTONIC, ns): begun and ended episodes, refusals.
 * `scan`: by the watchdog, which may look for a pipe's peers; else the process ends. True: one
 * lasts. */
bool drain_reports_streams(uint64_t now, bool scan);

/* What has been dropped since the last call; `…_now_and_then`: once a second at most. */
void drain_reports_drops(void);
void drain_reports_drops_now_and_then(uint64_t now);

/* While an exit waits (finish_wait): who should read; once, after a second, an event of it. */
void drain_reports_exit(uint64_t now);

/* What the helpers go on sending when the process has gone (`exits`: not by an exec), or what is
 * lost with them. */
void drain_reports_rest(bool exits);

/* A forked child: what its parent reported is not its to end. */
void drain_reports_begin_in_child(void);

/* Runs on: watchdog, and the thread that exits. AS-safe: yes, with 64 KiB of stack. Blocks: no. */
#endif
