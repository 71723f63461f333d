// SPDX-License-Identifier: MIT
#include "drain/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "drain/dismissal.h"
#include "drain/helper_death.h"
#include "drain/helper_place.h"
#include "drain/helper_queue.h"
#include "drain/helper_waits.h"
#include "drain/send_order.h"
#include "drain/space.h"

enum { NAPS = 40, NAP_NS = 200 * NS_PER_US };

/* Of one channel, in this process: no other is forked from it. child: scratch */
static struct channel *channel;
static pid_t program;
static bool knows_no_nowait; /* a FIFO with a name */

static bool reader_is_quick(void)
{
    return atomic_load_explicit(&channel->reader_is_quick, memory_order_relaxed);
}

/* The program wants its queue back: nothing is in the pipe that `sent` and `begun` do not say. It
 * finds a helper that was killed. */
static void give_back_if_asked(void)
{
    uint32_t asked = GIVE_BACK_ASKED;
    if (atomic_load_explicit(&channel->give_back, memory_order_relaxed) == GIVE_BACK_ASKED &&
        atomic_compare_exchange_strong(&channel->give_back, &asked, GIVE_BACK_GIVEN))
        raw_syscall(SYS_exit_group, 0);
}

/* One write of the parts, which waits for the reader unless `at_once`. One over PIPE_BUF that is
 * interrupted by a kill has been made in part, and nobody knows which: so it never waits. */
static long send_some(struct iovec *part, unsigned count, uint32_t left, bool at_once)
{
    if (!knows_no_nowait && (at_once || left > PIPE_BUF)) {
        long result = raw_syscall(SYS_pwritev2, HELPER_FD, part, count, -1, -1, RWF_NOWAIT);
        if (result != -EOPNOTSUPP && result != -ENOSYS)
            return result;
        knows_no_nowait = true;
    }
    if (left <= PIPE_BUF)
        return raw_syscall(SYS_writev, HELPER_FD, part, count);
    uint64_t first = part->iov_len < PIPE_BUF ? part->iov_len : PIPE_BUF;
    return raw_syscall(SYS_write, HELPER_FD, part->iov_base, first);
}

/* False: a signal has come. A poll() makes every later write to the pipe dearer: hence not where
 * the next write is to wait. */
static bool wait_until_writable(unsigned *naps, uint32_t left, bool next_waits)
{
    enum { READ_IN_NS = 50 * NS_PER_US };
    struct pollfd writable = {HELPER_FD, POLLOUT, 0};
    if (helper_waits_in_naps(*naps, left, reader_is_quick())) {
        ++*naps;
        helper_place_nap(READ_IN_NS);
        return true;
    }
    return next_waits || raw_syscall(SYS_ppoll, &writable, 1, 0, 0, 0) != -EINTR;
}

/* Sends `count` parts, of `size` bytes. False: the reader is gone. */
static bool send_parts(struct iovec *part, unsigned count, uint32_t size)
{
    const struct iovec *end = part + count;
    unsigned naps = 0;
    uint32_t sent = 0;
    static uint64_t progress_ns; /* the reader took something; child: scratch */
    while (sent < size) {
        bool at_once = helper_waits_in_naps(naps, size - sent, reader_is_quick());
        uint64_t before = ticks_now();
        long result = send_some(part, (unsigned)(end - part), size - sent, at_once);
        bool interrupted = result == -EINTR;
        if (result == -EAGAIN) /* also if the program made its description non-blocking */
            interrupted =
                !wait_until_writable(&naps, size - sent, at_once && size - sent <= PIPE_BUF);
        else if (!at_once && helper_waits_elsewhere(ticks_now() - before, reader_is_quick()))
            helper_place_leave();
        if (interrupted)
            give_back_if_asked();
        if (interrupted && dismissal_is_due(program, progress_ns))
            raw_syscall(SYS_exit_group, 0); /* another goes on if the program lives after all */
        if (result < 0 && result != -EINTR && result != -EAGAIN)
            return false;
        if (result > 0) {
            naps = 0;
            sent += (uint32_t)result;
            if (dismissal_was_heard())
                progress_ns = clock_monotonic_ns();
            if (sent < size)
                atomic_fetch_add(&channel->begun, (uint32_t)result);
            for (; result > 0 && (uint64_t)result >= part->iov_len; part++)
                result -= (long)part->iov_len;
            part->iov_base = (char *)part->iov_base + result;
            part->iov_len -= (uint64_t)result;
        }
    }
    return true;
}

/* For the writers: a reader that takes what comes will soon have read it all. */
static void measure_reader(uint32_t sent)
{
    enum { PORTION = 64 * 1024, QUICK_NS = 8 * NS_PER_MS };
    static uint64_t in_portion, began_ns; /* child: scratch */
    in_portion += sent;
    helper_waits_sent(sent);
    if (in_portion < PORTION)
        return;
    uint64_t now = clock_monotonic_ns();
    atomic_store_explicit(&channel->reader_is_quick, now - began_ns < QUICK_NS,
                          memory_order_relaxed);
    in_portion = 0;
    began_ns = now;
}

/* Writers that wait at the bound are woken not for each batch: that would cost more than it. */
static void announce_space(void)
{
    static uint64_t announced; /* child: scratch */
    if (!space_is_wanted(channel))
        return;
    uint64_t now = ticks_now();
    if (!channel_is_empty(channel) && now - announced < TICKS_ABOUT_1_MS / 4)
        return;
    announced = now;
    space_announce(channel);
}

/* False: something was queued at the last moment. */
static bool may_leave(void)
{
    uint64_t head = atomic_load(&channel->head);
    if ((head & CHANNEL_POSITION) != atomic_load(&channel->tail))
        return false;
    atomic_store(&channel->ended_ns, clock_monotonic_ns());
    if (!atomic_compare_exchange_strong(&channel->head, &head, head | CHANNEL_LEFT)) {
        atomic_store(&channel->ended_ns, 0);
        return false;
    }
    /* With it our place in the line is given up. */
    raw_syscall(SYS_close, HELPER_FD);
    helper_death_end(channel);
    return true;
}

static bool has_work(void)
{
    return !channel_is_empty(channel) || atomic_load(&channel->let_go) ||
           (atomic_load(&channel->head) & CHANNEL_SEALED);
}

/* Write-behind: a writer must not pay for a wake-up with each line, so the helper looks again after
 * naps; after a while without work it sleeps until it is woken. */
static void sleep_until_woken(int64_t ticket)
{
    struct timespec linger = {0, (long)drain_limits.linger_ns};
    for (int i = 0; linger.tv_nsec > 0 && i < NAPS; i++) {
        if (has_work() || send_order_is_wanted(HELPER_FD, ticket))
            return;
        helper_place_nap(NAP_NS);
    }
    uint32_t seen = atomic_load(&channel->wake);
    atomic_store(&channel->sleeping, 1);
    if (!has_work() && linger.tv_nsec > 0)
        raw_syscall(SYS_futex, &channel->wake, FUTEX_WAIT, seen, &linger, 0, 0);
    atomic_store(&channel->sleeping, 0);
}

/* The first record comes in a moment, unless the program was killed, or jumped out, just now, or
 * found that it belongs into another stream. */
static void wait_until_open(void)
{
    enum { PATIENCE = 2000, RETRY_NS = NS_PER_MS, SHORTLY = 100 };
    for (int i = 0; i < PATIENCE + SHORTLY && !atomic_load(&channel->open) &&
                    !(atomic_load(&channel->head) & CHANNEL_SEALED);
         i++) {
        struct timespec moment = {0, i < SHORTLY ? RETRY_NS / 20 : RETRY_NS};
        if (i >= SHORTLY && raw_syscall(SYS_kill, program, 0) == -ESRCH)
            return;
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
}

void helper_run(struct channel *of, char *chunks_of, pid_t who)
{
    channel = of;
    helper_queue_begin(of, chunks_of);
    program = who;
    enum { LARGE = 16 * 1024 }; /* bytes */
    long capacity = raw_syscall(SYS_fcntl, HELPER_FD, F_GETPIPE_SZ);
    helper_waits_begin(capacity < 0 || capacity >= LARGE); /* a socket has none */
    int64_t ticket = atomic_load(&channel->ticket);
    while (!send_order_wait(HELPER_FD, ticket, &channel->give_back))
        give_back_if_asked();
    wait_until_open();
    for (;;) {
        struct iovec *parts;
        unsigned count;
        give_back_if_asked();
        uint32_t size = helper_queue_take(&parts, &count);
        if (size > 0) {
            if (!send_parts(parts, count, size)) {
                atomic_fetch_add(&channel->lost, size);
                helper_queue_discard();
            }
            atomic_store(&channel->begun, 0);
            atomic_store(&channel->sent, atomic_load(&channel->tail));
            atomic_store(&channel->in_flight, 0);
            announce_space();
            measure_reader(size);
            /* Write-behind: the queue was drawn empty; what comes next is sent as a batch. */
            if (size < PIPE_BUF / 2 && drain_limits.linger_ns > 0 && !atomic_load(&channel->let_go))
                helper_place_nap(NAP_NS);
            continue;
        }
        sleep_until_woken(ticket);
        if (channel_is_empty(channel) && may_leave())
            return;
    }
}
