// SPDX-License-Identifier: MIT
/*
 * The finding `nonblocking_shared`: a write of this process to its stdout or stderr failed with
 * EAGAIN, or was short, by an O_NONBLOCK that this program did not set. What the program's threads
 * have noted (doors/nonblocking_doors.h) is looked into here: who holds the same stream. Nothing is
 * said of a program that sets the flag itself, nor of Node, Bun and Deno, which always do.
 */
#ifndef PIPESHIM_WATCH_REFUSED_WRITES_H
#define PIPESHIM_WATCH_REFUSED_WRITES_H

/* Tells of each stream once in the life of the process. Costs a load when there is nothing new,
 * else a look at the relatives, and at all of /proc if none of these is it. */
void refused_writes_scan(void);

/* The same with the last words of a process, which may have died of it: relatives only. */
void refused_writes_finish(void);

/* Runs on: watchdog; refused_writes_finish(): the one thread that speaks at exit. AS-safe: yes.
 * Blocks: no. */
#endif
