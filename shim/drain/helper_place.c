// SPDX-License-Identifier: MIT
#include "drain/helper_place.h"

#include <stdint.h>

#include "base/clock.h"
#include "base/raw_syscall.h"

enum { MASK_WORDS = 128, WORD_BITS = 64 };

/* The helper's own: no process is forked from it. child: scratch */
static uint64_t processors[MASK_WORDS];

void helper_place_begin(void)
{
    for (unsigned i = 0; i < MASK_WORDS; i++)
        processors[i] = ~0ULL;
    raw_syscall(SYS_sched_setaffinity, 0, sizeof processors, processors);
}

void helper_place_leave(void)
{
    unsigned here = 0;
    if (raw_syscall(SYS_getcpu, &here, 0, 0) != 0 || here >= MASK_WORDS * WORD_BITS)
        return;
    processors[here / WORD_BITS] &= ~(1ULL << here % WORD_BITS);
    raw_syscall(SYS_sched_setaffinity, 0, sizeof processors, processors);
    helper_place_begin();
}

void helper_place_nap(long ns)
{
    enum { LATE_NS = NS_PER_MS };
    struct timespec moment = {0, ns};
    uint64_t due = clock_monotonic_ns() + (uint64_t)ns;
    raw_syscall(SYS_nanosleep, &moment, 0);
    if (clock_monotonic_ns() > due + LATE_NS)
        helper_place_leave();
}
