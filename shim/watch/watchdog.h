// SPDX-License-Identifier: MIT
/*
 * The watchdog's loop: look at all slots, judge those that have not moved, sleep.
 *
 *   - While threads make calls it looks ten times in the smallest threshold: a call is first seen
 *     at most a tenth after it began, timed from there, and reported at most 1.1 thresholds after
 *     it began.
 *   - Of a call whose end is not marked (slots/slot.h) the kernel is asked, once it has stood still
 *     for a scan, whether the thread is inside.
 *   - When two scans found no slot moving and none to be judged, it disarms the slots (the next
 * call of any thread then wakes it) and sleeps (watch/sleep.h).
 */
#ifndef PIPESHIM_WATCH_WATCHDOG_H
#define PIPESHIM_WATCH_WATCHDOG_H

/* Runs until rights_hold() says no: life->stop, rights that the program has given up, or no thread
 * of the program left (the last one left by a raw exit, as strict seccomp makes it; then the
 * process ends with the status of its first thread, within LONGEST_SLEEP_NS of
 * watch/sleep.h). On the watchdog thread, with its own fd table. */
void watchdog_run(void);

/* Runs on: watchdog. AS-safe: yes. Blocks: as long as the file systems of symbol files do. */
#endif
