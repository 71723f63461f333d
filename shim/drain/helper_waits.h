// SPDX-License-Identifier: MIT
/*
 * How the helper waits for space in the pipe. Who sleeps in write() is woken on the reader's
 * processor, which is the better one if the reader sleeps in between. One that never does lets the
 * helper wait there for its turn, for milliseconds each time, while the writer's processor is free:
 * the writer waits for the helper. So from a write that took so long on, small batches wait in naps
 * as well, which end where they began; after a while write() is tried again, more seldom each time.
 */
#ifndef PIPESHIM_DRAIN_HELPER_WAITS_H
#define PIPESHIM_DRAIN_HELPER_WAITS_H

#include <stdbool.h>
#include <stdint.h>

/* `large`: the pipe holds enough for a reader to be busy during a nap. First of all. */
void helper_waits_begin(bool large);

/* True if a batch of `left` bytes is not to wait in write(), after so many naps for it already.
 * `quick`: the reader was so lately. */
bool helper_waits_in_naps(unsigned naps, uint32_t left, bool quick);

/* A write() has taken so long. True: not for the reader; another processor is to be tried. */
bool helper_waits_elsewhere(uint64_t ticks, bool quick);

/* So many bytes more are in the pipe. */
void helper_waits_sent(uint32_t bytes);

/* Runs on: helper. AS-safe: no. Blocks: no. */
#endif
