// SPDX-License-Identifier: MIT
#include "drain/stream.h"

#include <errno.h>

#include "base/clock.h"
#include "base/raw_syscall.h"

uint32_t lock_ask_tid(void)
{
    return (uint32_t)raw_syscall(SYS_gettid);
}

bool lock_wait(_Atomic uint32_t *lock)
{
    int known = thread_slot->tid;
    uint32_t self = known > 0 ? (uint32_t)known : lock_ask_tid();
    for (unsigned tries = 0;; tries++) {
        uint32_t owner = 0;
        if (atomic_compare_exchange_strong(lock, &owner, self))
            return true;
        if (owner == self)
            return false;
        if (tries < 100) {
            raw_syscall(SYS_sched_yield);
            continue;
        }
        struct timespec moment = {0, NS_PER_MS / 10};
        raw_syscall(SYS_nanosleep, &moment, 0);
        /* A process that was killed inside. */
        if (tries % 256 == 255 && raw_syscall(SYS_tkill, owner, 0) == -ESRCH &&
            atomic_compare_exchange_strong(lock, &owner, self))
            return true;
    }
}
