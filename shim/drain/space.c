// SPDX-License-Identifier: MIT
#include "drain/space.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/raw_syscall.h"

uint32_t space_request(struct channel *channel)
{
    uint32_t helper_tid = atomic_load(&channel->helper_tid);
    while ((helper_tid & FUTEX_TID_MASK) && !(helper_tid & (FUTEX_WAITERS | FUTEX_OWNER_DIED)) &&
           !atomic_compare_exchange_weak(&channel->helper_tid, &helper_tid,
                                         helper_tid | FUTEX_WAITERS)) {
    }
    atomic_store(&channel->waiting, 1);
    return helper_tid | FUTEX_WAITERS;
}

long space_wait(struct channel *channel, uint32_t asked)
{
    enum { BEGINS_OR_ENDS_NS = NS_PER_MS / 10 };
    struct timespec moment = {0, BEGINS_OR_ENDS_NS};
    if ((asked & FUTEX_TID_MASK) && !(asked & FUTEX_OWNER_DIED))
        return raw_syscall(SYS_futex, &channel->helper_tid, FUTEX_WAIT, asked, 0, 0, 0) == -EINTR
                   ? -EINTR
                   : 0;
    raw_syscall(SYS_nanosleep, &moment, 0);
    return 0;
}

/* glibc 2.34 has both in libc.so; it unwinds from the system call as from its own. */
long space_wait_cancellable(struct channel *channel, uint32_t asked)
{
    int before;
    /* NOLINTNEXTLINE(cert-pos47-c): around one system call, as glibc does it */
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before);
    long result = space_wait(channel, asked);
    pthread_setcanceltype(before, NULL);
    return result;
}

void space_announce(struct channel *channel)
{
    atomic_store(&channel->waiting, 0);
    if (!(atomic_load(&channel->helper_tid) & FUTEX_WAITERS))
        return;
    atomic_fetch_and(&channel->helper_tid, ~(uint32_t)FUTEX_WAITERS);
    raw_syscall(SYS_futex, &channel->helper_tid, FUTEX_WAKE, INT_MAX, 0, 0, 0);
}
