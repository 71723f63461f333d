// SPDX-License-Identifier: MIT
/*
 * An exit, or an exec, waits until what it has queued is sent. Who should read it, and does he?
 *
 * A reader that waits for this very process to end (asyncio's Process.wait(), waitpid() in an
 * SDK's close(); itself, or for one that waits for it) will not read before: to wait for him is a
 * deadlock until somebody's time-out. One that is away, computing say, may come back.
 */
#ifndef PIPESHIM_WATCH_EXIT_READERS_H
#define PIPESHIM_WATCH_EXIT_READERS_H

#include <stdint.h>

/* While finish_wait.since_ns is not 0: sets stream->reader for each stream that is not sent, once
 * two scans agree. Returns when to call again (CLOCK_MONOTONIC, ns), UINT64_MAX when nobody waits.
 * Reads the descriptors of all processes, some milliseconds. One caller at a time. */
uint64_t exit_readers_scan(uint64_t now);

/* Runs on: watchdog; the thread that exits, where there is none. AS-safe: yes, with 64 KiB of
 * stack. Blocks: no. */
#endif
