// SPDX-License-Identifier: MIT
/*
 * The library's short-lived processes that share the program's memory: the log's writer, that of
 * the metrics file, and the one that waits for the command of PIPESHIM_ACTION.
 *
 * Each has the rights of the thread that made it, for as long as it lives, and a file system that
 * hangs may make that long. Whoever takes the program over could write into its stack. So before
 * the program gives up rights, and when the watchdog finds that it has, they are ended.
 */
#ifndef PIPESHIM_WATCH_COMPANIONS_H
#define PIPESHIM_WATCH_COMPANIONS_H

/* Ends them all: waits up to 50 ms for each that writes, then kills it. One that the kernel holds
 * is dead when it is let go, before its next instruction. What a writer had not written yet is
 * written by the next one. */
void companions_stop(void);

/* Runs on: the program's threads; the watchdog, when it ends. AS-safe: yes. Blocks: 50 ms each. */
#endif
