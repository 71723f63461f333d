// SPDX-License-Identifier: MIT
/*
 * Wakes the watchdog of another process, which may sleep for a minute (watch/sleep.h): by a futex
 * in the file of its library, which is mapped here as well. Nothing is written anywhere.
 */
#ifndef PIPESHIM_CLI_STATUS_WAKER_H
#define PIPESHIM_CLI_STATUS_WAKER_H

#include <stdint.h>

struct waker {
    const uint32_t *word; /* NULL: the file cannot be had (replaced since, and we are not root) */
};

/* For process `pid`, which has the number `pid_inside` in its own namespace. */
struct waker waker_open(int pid, int pid_inside);

/* It may just be about to sleep, so this is called until there is an answer. */
void waker_wake(const struct waker *waker);

/* Runs on: the tool. AS-safe: no. Blocks: as file systems do. */
#endif
