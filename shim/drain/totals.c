// SPDX-License-Identifier: MIT
#include "drain/totals.h"

struct queue_totals queue_totals;
void totals_drop(uint64_t bytes)
{
    atomic_fetch_add(&queue_totals.dropped_bytes, bytes);
    atomic_fetch_add(&queue_totals.dropped_writes, 1);
}
