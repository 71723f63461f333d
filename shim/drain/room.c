// SPDX-License-Identifier: MIT
#include "drain/room.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/raw_syscall.h"

uint32_t room_ask(struct stream *stream)
{
    uint32_t keeper = atomic_load(&stream->keeper);
    while ((keeper & FUTEX_TID_MASK) && !(keeper & (FUTEX_WAITERS | FUTEX_OWNER_DIED)) &&
           !atomic_compare_exchange_weak(&stream->keeper, &keeper, keeper | FUTEX_WAITERS)) {
    }
    /* Last: a helper that sees it, and clears it, must find the bit above (tests/unit's model). */
    atomic_store(&drain_memory->waiting, 1);
    return keeper | FUTEX_WAITERS;
}

long room_wait(struct stream *stream, uint32_t asked)
{
    enum { BEGINS_OR_ENDS_NS = NS_PER_MS / 10 };
    struct timespec moment = {0, BEGINS_OR_ENDS_NS};
    if ((asked & FUTEX_TID_MASK) && !(asked & FUTEX_OWNER_DIED))
        return raw_syscall(SYS_futex, &stream->keeper, FUTEX_WAIT, asked, 0, 0, 0) == -EINTR
                   ? -EINTR
                   : 0;
    raw_syscall(SYS_nanosleep, &moment, 0);
    return 0;
}

/* glibc 2.34 has both in libc.so; it unwinds from the system call as from its own. */
long room_wait_cancellable(struct stream *stream, uint32_t asked)
{
    int before;
    /* NOLINTNEXTLINE(cert-pos47-c): around one system call, as glibc does it */
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before);
    long result = room_wait(stream, asked);
    pthread_setcanceltype(before, NULL);
    return result;
}

void room_tell(void)
{
    atomic_store(&drain_memory->waiting, 0);
    for (int i = 0; i < STREAM_LIMIT; i++) {
        _Atomic uint32_t *keeper = &drain_memory->streams[i].keeper;
        if (!(atomic_load(keeper) & FUTEX_WAITERS))
            continue;
        atomic_fetch_and(keeper, ~(uint32_t)FUTEX_WAITERS);
        raw_syscall(SYS_futex, keeper, FUTEX_WAKE, INT_MAX, 0, 0, 0);
    }
}
