// SPDX-License-Identifier: MIT
#include "drain/totals.h"

#include <string.h>

struct queue_totals queue_totals;

void totals_drop(uint64_t bytes)
{
    atomic_fetch_add(&queue_totals.dropped_bytes, bytes);
    atomic_fetch_add(&queue_totals.dropped_writes, 1);
}

void totals_begin_in_child(void)
{
    memset(&queue_totals, 0, sizeof queue_totals);
}

void totals_note_peak(uint64_t bytes)
{
    uint64_t before = atomic_load(&queue_totals.peak_bytes);
    while (bytes > before &&
           !atomic_compare_exchange_weak(&queue_totals.peak_bytes, &before, bytes)) {
    }
}
