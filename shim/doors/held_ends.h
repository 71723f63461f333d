// SPDX-License-Identifier: MIT
/*
 * Does this process keep an end of a pipe of which another process has one? Then its wait for a
 * child, for time or for a signal may be what that one waits for, and is worth a watchdog.
 */
#ifndef PIPESHIM_DOORS_HELD_ENDS_H
#define PIPESHIM_DOORS_HELD_ENDS_H

#include <stdbool.h>

/* Asked of the last pairs that the process made (process/pairs.h), by a few system calls each.
 * Where an end is left over, the descriptors of this process and of its children are looked
 * through, once: GNU make keeps for its jobs' stdin the reading end of a pipe that nobody writes
 * to. What cannot be known is taken for held. Where both ends are kept, its children are asked,
 * ever more seldom: whoever forgets to close the child's end waits in vain just as well. In a
 * process that has begun. Async-signal-safe. */
bool held_ends_reach_others(void);

/* Has a child both ends of the pipe that this process last wrote to, and has closed? It has been
 * given the one to read, and may have forgotten to close the other: it then waits for an end that
 * it keeps from coming itself, and this process for it. One that has just been forked may be about
 * to close it. Asked ever more seldom, as the above. Async-signal-safe. */
bool held_ends_left_to_child(void);

/* By the kernel's count: libc's word for it there is since 2.32 only. One system call.
 * Async-signal-safe. */
bool has_several_threads(void);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
