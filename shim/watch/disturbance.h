// SPDX-License-Identifier: MIT
/*
 * A process that was stopped, a machine that slept: waits that lasted over it say nothing of
 * whoever is waited for.
 */
#ifndef PIPESHIM_WATCH_DISTURBANCE_H
#define PIPESHIM_WATCH_DISTURBANCE_H

#include <stdint.h>

struct disturbance {
    uint64_t undisturbed_since; /* CLOCK_MONOTONIC, ns; 0: always */
    uint64_t scanned, slept;
};

/* At each look: `now` on CLOCK_MONOTONIC, which stands still while the machine sleeps, and on
 * CLOCK_BOOTTIME, which does not; `boot_ns` read later. All in ns. */
void disturbance_see(struct disturbance *of, uint64_t now, uint64_t monotonic_ns, uint64_t boot_ns);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
