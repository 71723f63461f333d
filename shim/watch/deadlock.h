// SPDX-License-Identifier: MIT
/*
 * While a write of this process is stuck: is it part of a deadlock, and if not, why does its reader
 * not read?
 *
 * The wait-for graph is read twice, a quarter of a second apart, and a cycle is reported when both
 * scans found the same one without any progress between them. As long as the write stays stuck the
 * question is asked again, ever more seldom.
 */
#ifndef PIPESHIM_WATCH_DEADLOCK_H
#define PIPESHIM_WATCH_DEADLOCK_H

#include <stdbool.h>
#include <stdint.h>

void deadlock_begin(void);

/* Looks if it is time to; returns when to call again (CLOCK_MONOTONIC, ns; UINT64_MAX: not before a
 * write is stuck). `stuck`: a report on a write is open. For the watchdog thread; a scan reads the
 * descriptors of all processes, some milliseconds. */
uint64_t deadlock_scan(uint64_t now, bool stuck);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
