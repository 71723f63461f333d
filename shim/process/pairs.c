// SPDX-License-Identifier: MIT
#include "process/pairs.h"

#include <fcntl.h>
#include <stdint.h>

#include "base/raw_syscall.h"

/* One word a pair, so that it needs no lock: both descriptors, plus one so that 0 means none. A
 * child starts with none (the memory is wiped), which is right: it did not make them. */
void pairs_remember(const int ends[2])
{
    uint32_t at = atomic_fetch_add_explicit(&life->pairs_made, 1, memory_order_relaxed);
    uint64_t pair = ((uint64_t)(uint32_t)ends[0] << 32 | (uint32_t)ends[1]) + 1;
    atomic_store_explicit(&life->pairs[at % PAIRS_REMEMBERED], pair, memory_order_relaxed);
}

static bool is_open(uint64_t fd)
{
    return raw_syscall(SYS_fcntl, (int)fd, F_GETFD) >= 0;
}

bool pairs_one_end_is_held(void)
{
    for (unsigned i = 0; i < PAIRS_REMEMBERED; i++) {
        uint64_t pair = atomic_load_explicit(&life->pairs[i], memory_order_relaxed);
        if (pair == 0)
            continue;
        if (is_open((pair - 1) >> 32) != is_open((pair - 1) & UINT32_MAX))
            return true;
    }
    return false;
}
