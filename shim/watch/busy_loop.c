// SPDX-License-Identifier: MIT
#include "watch/busy_loop.h"

#include "base/clock.h"
#include "kernel/task.h"

static bool another_sleeps_on(const struct slot *slot, int epoll_fd)
{
    for (unsigned index = 0; index < slot_bound(); index++) {
        const struct slot *other = slot_at(index);
        if (other && other != slot && other->tid != 0 && other->waits[READINESS_EPOLL].sp != 0 &&
            !other->watch.only_asks && other->waits[READINESS_EPOLL].epoll_fd == epoll_fd)
            return true;
    }
    return false;
}

/* For how long the thread has run, or was ready to. */
static bool read_busy(int tid, uint64_t *busy_ns)
{
    uint64_t run_ns, delay_ns;
    if (!task_schedule_ns(tid, &run_ns, &delay_ns))
        return false;
    *busy_ns = run_ns + delay_ns;
    return true;
}

void busy_loop_take(struct slot *slot, uint64_t now)
{
    enum { TIMED_NS = NS_PER_S / 2 };
    struct slot_watch *watch = &slot->watch;
    struct readiness_waits *waits = &slot->waits[READINESS_EPOLL];
    uint64_t busy_ns;
    if (waits->sp != 0 || slot->waits[READINESS_POLL].sp != 0 ||
        slot->asked.returns < RETURNS_OF_A_LOOP || another_sleeps_on(slot, slot->asked.epoll_fd)) {
        watch->asks_since_ns = 0;
        return;
    }
    if (watch->asks_since_ns != 0 && now - watch->asks_since_ns < TIMED_NS)
        return;
    if (!read_busy(slot->tid, &busy_ns))
        return;
    uint64_t passed = now - watch->asks_since_ns;
    bool is_busy = watch->asks_since_ns != 0 && busy_ns - watch->busy_before_ns > passed / 4 * 3;
    if (is_busy && slot->asked.returns != watch->asks_before) {
        waits->returns = slot->asked.returns;
        waits->epoll_fd = slot->asked.epoll_fd;
        waits->sp = slot->asked.sp;
        watch->only_asks = true;
    }
    watch->asks_since_ns = now;
    watch->busy_before_ns = busy_ns;
    watch->asks_before = slot->asked.returns;
}

bool busy_loop_was_none(struct slot *slot)
{
    struct readiness_waits *waits = &slot->waits[READINESS_EPOLL];
    if (!slot->watch.only_asks || !another_sleeps_on(slot, waits->epoll_fd))
        return false;
    slot->watch.only_asks = false;
    waits->sp = 0;
    waits->returns = 0;
    return true;
}
