// SPDX-License-Identifier: MIT
/*
 * Ordinary backpressure: a reader that computes (bzip2 -9) while its pipe goes on moving is worth
 * one report, not one for each write that waits for it.
 */
#ifndef PIPESHIM_WATCH_SLOW_READER_H
#define PIPESHIM_WATCH_SLOW_READER_H

#include <stdbool.h>

#include "facts/incident.h"

/* Forgets all: the watchdog begins, or a forked child. */
void slow_reader_begin(void);

/* A write's report was made: a reader of its pipe that was running is remembered. */
void slow_reader_reported(const struct incident *incident);

/* True while the write waits for a reader that was reported and runs now, or writes what it has
 * made of it, at most for SLOW_READER_PATIENCE thresholds: from then on the reader does not read,
 * however much it computes. Costs three reads of /proc for a pipe that is remembered. */
bool slow_reader_at_work(const struct incident *incident);

enum { SLOW_READER_PATIENCE = 10 };

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
