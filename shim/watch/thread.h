// SPDX-License-Identifier: MIT
/*
 * The watchdog thread: one raw clone() that libc does not know.
 *
 * A second thread made by pthread_create costs a single-threaded program dearly: libc leaves its
 * single-threaded fast paths (fputc 1.3 → 15 ns, malloc 17 → 30 ns) and the kernel takes a
 * reference on every fd lookup because the fd table is shared (write +33 ns). This one
 *   - is made by clone(2) itself, so that __libc_single_threaded stays true;
 *   - has an fd table of its own, empty, so that the program's stays unshared: its fds are never in
 *     the program's way (close_range, fd reuse) and never keep a pipe end open;
 *   - has all signals blocked, so that none is delivered to it;
 *   - has no thread-local variables (watch/thread_memory.h): it calls nothing of libc that has
 *     some, not even what sets errno.
 */
#ifndef PIPESHIM_WATCH_THREAD_H
#define PIPESHIM_WATCH_THREAD_H

#include <stdbool.h>
#include <stdint.h>

enum { LONGEST_STOP_MS = 2000 };

/* What the thread runs, until rights_hold() says no. For the constructor. */
void watchdog_thread_prepare(void (*function)(void));

/* Makes sure that the watchdog runs; false when it cannot, or not now: while it is held, or the one
 * before it has not left its stack. The first caller pays for the clone (some 30 µs), the others
 * return at once. Async-signal-safe. */
bool watchdog_thread_start(void);

/* Ends the watchdog and waits, for at most `patience_ms`, until the kernel no longer counts it:
 * false if it still does. Then it ends as soon as the kernel lets it, does nothing else before
 * (rights_hold()), and none is started until it is gone. It starts again at the next call that may
 * block, unless `for_ever`. Async-signal-safe, also on a thread that is starting or stopping it. */
bool watchdog_thread_stop(bool for_ever, unsigned patience_ms);

/* Around a call that changes rights, which the watchdog must not keep: stops it, and none is
 * started until the release. False, and reported in the log, if it does not stop within 2 s: the
 * program goes on, it is not ours to hang it. Async-signal-safe. */
bool watchdog_thread_hold(void);
void watchdog_thread_release(void);

/* For the last words of a process, which one thread speaks alone: lets the watchdog end the scan
 * that it makes, and none is started until the release. Returns when it is gone, or at
 * `deadline_ns` (CLOCK_MONOTONIC) if the kernel holds it: then it says nothing more. One that only
 * lacks a CPU is waited for longer, two seconds. Async-signal-safe. */
void watchdog_thread_hold_at_exit(uint64_t deadline_ns);

/* A thread is about to give up rights: for 0.2 s the watchdog proves its own before each act and at
 * each scan, and does not sleep longer than between two scans. Async-signal-safe. */
void watchdog_thread_doubt(void);

/* Tells of life->unreported, if there is anything. Async-signal-safe. */
void watchdog_thread_report(void);

/* Wakes the watchdog if it sleeps. Async-signal-safe. */
void watchdog_thread_wake(void);

/* Runs on: any but the watchdog itself; watchdog_thread_prepare(): constructor. AS-safe: yes.
 * Blocks: stop and hold 2 s at most. */
#endif
