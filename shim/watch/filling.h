// SPDX-License-Identifier: MIT
/*
 * Before the cliff: a pipe of this process that fills faster than it is read
 * (PIPESHIM_FILL_WARN). Looked at by the watchdog while the program is active, through borrowed
 * descriptors; the program's own threads make no call for it.
 */
#ifndef PIPESHIM_WATCH_FILLING_H
#define PIPESHIM_WATCH_FILLING_H

#include <stdbool.h>
#include <stdint.h>

void filling_begin(void);

/* Looks if it is time to; returns when to call again (CLOCK_MONOTONIC, ns). `activity`: threads
 * make calls; a program that makes none fills no pipe. About 3 us a descriptor once a second, and
 * 10 a pipe once a second, ten times while it grows; either at most a thousandth of the time. */
uint64_t filling_scan(uint64_t now, bool activity);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
