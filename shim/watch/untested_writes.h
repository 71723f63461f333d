// SPDX-License-Identifier: MIT
/*
 * The writes that drain/headroom.h lets pass without a test, as there surely is space. Where there
 * was none after all, somebody has to come to the rescue, and this process is to test again.
 */
#ifndef PIPESHIM_WATCH_UNTESTED_WRITES_H
#define PIPESHIM_WATCH_UNTESTED_WRITES_H

#include <stdint.h>

/* A scan at `now` (CLOCK_MONOTONIC, ns): makes space for a write that is stuck for 10 ms, and says
 * in `headroom_watched` whether writes may pass untested: while the kernel lets us borrow their
 * descriptor, and none has been stuck. */
void untested_writes_scan(uint64_t now);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
