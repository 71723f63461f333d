// SPDX-License-Identifier: MIT
/*
 * The file of PIPESHIM_METRICS: replaced as a whole, so that whoever reads it finds the last one or
 * this one, and removed at the exit. A program that is killed leaves it behind.
 *
 * What is on a disk is written by a short-lived process: a file system that hangs keeps neither the
 * watchdog nor the exit.
 */
#ifndef PIPESHIM_WATCH_METRICS_H
#define PIPESHIM_WATCH_METRICS_H

#include <stdint.h>

/* For the constructor: takes the working directory, if the path is relative. */
void metrics_prepare(void);

/* On the watchdog thread. Returns when to call again (CLOCK_MONOTONIC, ns). */
uint64_t metrics_poll(uint64_t now);

/* At the exit, without a watchdog: removes the file. Waits until `deadline_ns` (CLOCK_MONOTONIC) at
 * the latest. */
void metrics_finish(uint64_t deadline_ns);

/* Ends the process that writes it: waits 50 ms for it, then kills it. Async-signal-safe. */
void metrics_stop(void);

/* Runs on: watchdog; the exit; metrics_stop(): any. AS-safe: yes. Blocks: no,
 * metrics_finish() and metrics_stop() as said. */
#endif
