// SPDX-License-Identifier: MIT
/*
 * Small records that come one right after the other are what write-behind sends in batches. What is
 * larger loses by the copy, and what comes alone, between other calls, is somebody's question or
 * answer: those are tried directly.
 */
#ifndef PIPESHIM_DRAIN_BURST_H
#define PIPESHIM_DRAIN_BURST_H

#include <stdbool.h>
#include <stdint.h>

#include "drain/direct.h"
#include "slots/slot.h"

/* The thread's slot->sequence when it last wrote; 0: it never did. */
extern __thread uint32_t burst_last __attribute__((visibility("hidden")));

/* A write of the thread's. */
static inline void burst_note(void)
{
    burst_last = atomic_load_explicit(&thread_slot->sequence, memory_order_relaxed);
}

/* Write-behind: true if the write that the thread is in is one of a burst. Before burst_note(). */
static inline bool burst_goes_on(uint64_t size)
{
    uint32_t sequence = atomic_load_explicit(&thread_slot->sequence, memory_order_relaxed);
    return size < DIRECT_FROM && burst_last != 0 && sequence - burst_last <= 2;
}

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
