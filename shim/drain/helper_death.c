// SPDX-License-Identifier: MIT
#include "drain/helper_death.h"

#include <limits.h>
#include <linux/futex.h>

#include "base/raw_syscall.h"

/* The helper's own, after the fork: the list of one futex. child: scratch */
static struct robust_list entry;
static struct robust_list_head robust;

void helper_death_begin(struct channel *channel)
{
    atomic_store(&channel->helper_tid, (uint32_t)raw_syscall(SYS_gettid));
    entry.next = &robust.list;
    robust.list.next = &entry;
    robust.futex_offset = (char *)&channel->helper_tid - (char *)&entry;
    raw_syscall(SYS_set_robust_list, &robust, sizeof robust);
}

void helper_death_end(struct channel *channel)
{
    if (atomic_exchange(&channel->helper_tid, 0) & FUTEX_WAITERS)
        raw_syscall(SYS_futex, &channel->helper_tid, FUTEX_WAKE, INT_MAX, 0, 0, 0);
}
