// SPDX-License-Identifier: MIT
/*
 * How full stdin, stdout and stderr are, where they are pipes: for the status page.
 */
#ifndef PIPESHIM_WATCH_STDIO_FILL_H
#define PIPESHIM_WATCH_STDIO_FILL_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/status_page.h"

/* A new watchdog has seen nothing. */
void stdio_fill_begin(void);

/* On a scan that the watchdog makes anyway, once a second at most: looks at them when the program
 * was active, and in an idle one for as long as there is something in one of them. Never wakes the
 * watchdog. */
void stdio_fill_scan(uint64_t now, bool activity);

/* True when there was a look since the last call, with what it saw. */
bool stdio_fill_take(struct status_stream streams[STATUS_STREAMS]);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
