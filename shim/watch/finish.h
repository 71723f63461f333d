// SPDX-License-Identifier: MIT
/* The last words of a process. */
#ifndef PIPESHIM_WATCH_FINISH_H
#define PIPESHIM_WATCH_FINISH_H

/* Writes the summary, once; for the destructor and for exits that run none. Async-signal-safe;
 * returns within a fraction of a second. */
void life_finish(void);

/* Runs on: the thread that ends. AS-safe: yes. Blocks: 50 ms where something hangs; 2 s while the
 * watchdog lacks a CPU. */
#endif
