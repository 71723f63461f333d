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
 *   - runs on a copy of its creator's thread control block, which is enough for errno and the
 *     stack guard and no more: no pthread call, no malloc, no dlopen.
 */
#ifndef PIPESHIM_WATCH_THREAD_H
#define PIPESHIM_WATCH_THREAD_H

#include <stdbool.h>

/* What the thread runs, until life->stop is set. For the constructor. */
void watchdog_thread_prepare(void (*function)(void));

/* Makes sure that the watchdog runs; false when it cannot. The first caller pays for the clone
 * (some 30 µs), the others return at once. Async-signal-safe. */
bool watchdog_thread_start(void);

/* Ends the watchdog and waits until the kernel no longer counts it (it is in no system call longer
 * than it takes to write a report). It starts again at the next call that may block, unless
 * `for_ever`. Async-signal-safe. */
void watchdog_thread_stop(bool for_ever);

/* Wakes the watchdog if it sleeps. Async-signal-safe. */
void watchdog_thread_wake(void);

#endif
