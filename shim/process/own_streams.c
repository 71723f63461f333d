// SPDX-License-Identifier: MIT
#include "process/own_streams.h"

#include <stdatomic.h>
#include <stdint.h>

/* child: kept, the same program did it */
static _Atomic uint64_t nonblocking[OWN_STREAMS_LIMIT / 64];
static _Atomic uint32_t replaced; /* bits of fds 0 to 2 */

void own_streams_note(int fd, bool set)
{
    if (fd < 0 || fd >= OWN_STREAMS_LIMIT)
        return;
    uint64_t bit = UINT64_C(1) << (fd % 64);
    if (set)
        atomic_fetch_or_explicit(&nonblocking[fd / 64], bit, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&nonblocking[fd / 64], ~bit, memory_order_relaxed);
}

void own_streams_replaced(unsigned first, unsigned last)
{
    for (unsigned fd = first; fd <= 2 && fd <= last; fd++)
        atomic_fetch_or_explicit(&replaced, 1U << fd, memory_order_relaxed);
}

bool own_streams_is_own(int fd)
{
    if (fd < 0 || fd >= OWN_STREAMS_LIMIT)
        return false;
    bool another = fd <= 2 && (atomic_load_explicit(&replaced, memory_order_relaxed) >> fd & 1);
    return another ||
           (atomic_load_explicit(&nonblocking[fd / 64], memory_order_relaxed) >> (fd % 64) & 1);
}
