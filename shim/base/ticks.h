// SPDX-License-Identifier: MIT
/* A counter that costs no system call: for "not more often than", not for figures. */
#ifndef PIPESHIM_BASE_TICKS_H
#define PIPESHIM_BASE_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum { TICKS_LONG_AGO = 1 };

/* Set for good before a thread of the process may no longer read the counter (PR_SET_TSC: reading
 * it is SIGSEGV from then on): the kernel is asked instead. */
extern bool ticks_are_forbidden __attribute__((visibility("hidden")));

#if defined(__x86_64__)
/* 1 to 4 GHz on every machine with an invariant TSC. */
enum { TICKS_ABOUT_20_US = 50 * 1000, TICKS_ABOUT_1_MS = 2500 * 1000 };
#define TICKS_IN_100_US 250000ULL

static inline uint64_t ticks_now(void)
{
    /* CLOCK_MONOTONIC, as if the counter had 2.5 GHz. */
    if (__builtin_expect(ticks_are_forbidden, 0))
        return clock_monotonic_ns() / 2 * 5;
    return __builtin_ia32_rdtsc();
}
#elif defined(__aarch64__)
/* 1 GHz from Armv8.6 on, 25 MHz on many before: the names are right within a factor of 10. */
enum { TICKS_ABOUT_20_US = 5 * 1000, TICKS_ABOUT_1_MS = 250 * 1000 };

/* Where it must not be longer: of the counter's own frequency. */
static inline uint64_t ticks_in_100_us(void)
{
    uint64_t frequency;
    __asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
    return frequency / 10000;
}
#define TICKS_IN_100_US ticks_in_100_us()

static inline uint64_t ticks_now(void)
{
    uint64_t value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
}
#endif

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
