// SPDX-License-Identifier: MIT
#include "process/life.h"

#include "base/clock.h"
#include "base/raw_syscall.h"

/* Stands for "not active" until the constructor has run, and for ever where the library is inert.
 */
static struct life before;   /* child: constant */
struct life *life = &before; /* child: constant */
/* child: constant. Its end lies among what every start writes: scripts/make-layout.sh. */
struct settings settings __attribute__((section(".bss.settings"), aligned(64)));
enum { INERT, NEVER_BEGINS, POSTPONED, ACTIVE };
static _Atomic uint32_t state; /* INERT…; child: kept, what is inert stays inert */

bool life_active(void)
{
    return atomic_load_explicit(&state, memory_order_acquire) == ACTIVE;
}

bool life_is_postponed(void)
{
    return atomic_load_explicit(&state, memory_order_relaxed) == POSTPONED;
}

bool life_is_inert(void)
{
    return atomic_load_explicit(&state, memory_order_relaxed) <= NEVER_BEGINS;
}

bool life_never_begins(void)
{
    return atomic_load_explicit(&state, memory_order_relaxed) == NEVER_BEGINS;
}

void life_decided(void)
{
    uint32_t inert = INERT;
    atomic_compare_exchange_strong(&state, &inert, NEVER_BEGINS);
}

void life_postpone(void)
{
    atomic_store(&state, POSTPONED);
}

void life_activate(void)
{
    atomic_store_explicit(&state, ACTIVE, memory_order_release);
}

void life_go_inert(void)
{
    atomic_store(&state, INERT);
}

bool life_reporting_begin(unsigned patience_ms)
{
    uint64_t deadline = clock_monotonic_ns() + (uint64_t)patience_ms * NS_PER_MS;
    for (;;) {
        uint32_t free = 0;
        if (atomic_compare_exchange_strong(&life->reporting, &free, 1))
            return true;
        if (clock_monotonic_ns() >= deadline)
            return false;
        struct timespec moment = {0, NS_PER_MS / 10};
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
}

void life_reporting_end(void)
{
    atomic_store(&life->reporting, 0);
}
