// SPDX-License-Identifier: MIT
/*
 * How the watchdog sleeps. Two seconds at most, or a minute where whatever must not wait for the
 * end of the sleep ends it:
 *
 *   - a thread that makes a call: `life->wake`, as for any sleep;
 *   - `pipeshim set` (facts/mailbox.h): it cannot reach a futex in this process's own memory, but
 *     the key of one in a file that is only mapped is the file's. So a word of this library's first
 *     page is slept on, which the tool maps as well: no signal, no descriptor, nothing is written;
 *   - the end of the program's first thread, after which nobody may be left but the watchdog: the
 *     kernel clears the word that libc named to it (set_tid_address(2)), and wakes whoever sleeps
 *     on it.
 *
 * Three futexes at once are Linux 5.16's futex_waitv(2). Where that is missing, or a seccomp filter
 * forbids it, or the first thread is gone or its word not known, there is no long sleep.
 */
#ifndef PIPESHIM_WATCH_SLEEP_H
#define PIPESHIM_WATCH_SLEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* On the program's first thread, once it has a slot: asks the kernel for that word. Not under a
 * filter of the program. Async-signal-safe. */
void watchdog_note_first_thread(void);

#define LONGEST_SLEEP_NS      (2 * (uint64_t)NS_PER_S)
#define LONGEST_LONG_SLEEP_NS (60 * (uint64_t)NS_PER_S)

/* Before each sleep of more than LONGEST_SLEEP_NS: may it be made? */
bool watchdog_may_sleep_long(void);

/* Sleeps from `now` until `when` (CLOCK_MONOTONIC, ns), or until one of the three happens: of them
 * only a call of a thread ends one of up to LONGEST_SLEEP_NS. */
void watchdog_sleep(uint64_t when, uint64_t now);

/* Runs on: watchdog; watchdog_note_first_thread(): the program's first thread. AS-safe: yes.
 * Blocks: watchdog_sleep(). */
#endif
