// SPDX-License-Identifier: MIT
/* The last words of a process, and of its log. */
#ifndef PIPESHIM_WATCH_FINISH_H
#define PIPESHIM_WATCH_FINISH_H

/* Writes the summary, once; for the destructor and for exits that run none. Async-signal-safe;
 * returns within a fraction of a second. */
void life_finish(void);

/* Before the program closes its descriptors `first` to `last`: if the log goes to one of them, what
 * there is to tell is told now, as nothing can be later. Coreutils close stdout and stderr in an
 * atexit handler, before any destructor. Async-signal-safe. */
void life_before_close(unsigned first, unsigned last);

/* Runs on: the thread that ends, or closes. AS-safe: yes. Blocks: 50 ms where something hangs; 2 s
 * while the watchdog lacks a CPU. */
#endif
