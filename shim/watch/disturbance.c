// SPDX-License-Identifier: MIT
#include "watch/disturbance.h"

#include <stdbool.h>

#include "base/clock.h"

/* The watchdog sleeps for two seconds at most: if it has not looked for so long it was stopped. */
enum { STOPPED_FOR_S = 3 };

void disturbance_see(struct disturbance *of, uint64_t now, uint64_t monotonic_ns, uint64_t boot_ns)
{
    uint64_t asleep = boot_ns > monotonic_ns ? boot_ns - monotonic_ns : 0;
    bool first = of->scanned == 0;
    bool stopped = now - of->scanned > STOPPED_FOR_S * (uint64_t)NS_PER_S;
    bool slept = asleep > of->slept + NS_PER_S;
    if (!first && (stopped || slept))
        of->undisturbed_since = now;
    of->scanned = now;
    of->slept = asleep;
}
