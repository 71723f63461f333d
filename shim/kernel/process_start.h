// SPDX-License-Identifier: MIT
/* When a process began, and whether what it runs can be a file's text of today. */
#ifndef PIPESHIM_KERNEL_PROCESS_START_H
#define PIPESHIM_KERNEL_PROCESS_START_H

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds since the epoch, rounded down to the kernel's tick of 10 ms (proc(5), starttime);
 * 0: the process is gone, or may not be asked. A clock that was set since then moves it. */
int64_t process_start_ns(int pid);

/* Nanoseconds since the epoch; of a time that is too far away for it, as a file or a log may have,
 * one that is far away in the same direction. */
int64_t file_time_ns(int64_t seconds, int64_t nanoseconds);

/* Whether a file of that mtime (ns since the epoch) was changed after `start_ns`: what runs is then
 * another text. A script that a launcher writes and starts at once is as old as its process, to
 * the tick: two ticks later still counts as before. */
bool changed_since_start(int64_t mtime_ns, int64_t start_ns);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
