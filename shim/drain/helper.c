// SPDX-License-Identifier: MIT
#include "drain/helper.h"

#include <errno.h>
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
#include "drain/send_order.h"
#include "drain/space.h"

enum {
    PARTS = 512,
    STRING_COPY_FROM = 512,
    COPIED_BELOW = 1024,
    FETCHED_AHEAD = 512,
    NAPS = 40,
    NAP_NS = 200 * NS_PER_US
};

/* The helper's own: no process is forked from it. child: scratch */
static char batch[RECORD_LIMIT];
static struct iovec parts[PARTS + 1];
static unsigned part_count;

/* Not memcpy: libc is unmapped here. The empty assembler keeps the compiler from making it one. */
static void copy(char *to, const char *from, uint64_t size)
{
#if defined(__x86_64__)
    for (; size >= 8 && size < STRING_COPY_FROM; size -= 8, to += 8, from += 8) {
        uint64_t word; /* the string instruction takes 30 ns to begin */
        __builtin_memcpy(&word, from, 8);
        __builtin_memcpy(to, &word, 8);
        __asm__ volatile("" : : : "memory");
    }
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
    for (; size >= 8; size -= 8, to += 8, from += 8) {
        uint64_t word;
        __builtin_memcpy(&word, from, 8);
        __builtin_memcpy(to, &word, 8);
        __asm__ volatile("" : : : "memory");
    }
    for (; size > 0; size--) {
        *to++ = *from++;
        __asm__ volatile("" : : : "memory");
    }
#endif
}

/* Of one channel, in this process. child: scratch */
static struct channel *channel;
static char *chunks;
static pid_t program;

static char *place(uint64_t at)
{
    return channel_place(channel, chunks, drain_limits.chunks, at);
}

static void read_queue(uint64_t at, char *to, uint64_t size)
{
    uint64_t first = chunk_rest(at) < size ? chunk_rest(at) : size;
    copy(to, place(at), first);
    if (first < size)
        copy(to + first, place(at + first), size - first);
}

static void add_part(const char *from, uint64_t size)
{
    struct iovec *last = part_count ? &parts[part_count - 1] : NULL;
    if (last && (const char *)last->iov_base + last->iov_len == from)
        last->iov_len += size;
    else if (size > 0)
        parts[part_count++] = (struct iovec){(char *)from, size};
}

/* Small records are copied: an entry of writev() costs more. Large ones are sent from where they
 * lie, which the writers reuse only up to `sent`; not where they may drop them meanwhile. */
static void add_payload(uint64_t at, uint32_t used, uint32_t size)
{
    uint64_t first = chunk_rest(at) < size ? chunk_rest(at) : size;
    if (size < COPIED_BELOW || drain_limits.drops_oldest) {
        read_queue(at, batch + used, size);
        add_part(batch + used, size);
    } else {
        add_part(place(at), first);
        if (first < size)
            add_part(place(at + first), size - first);
    }
}

/* A writer that has gone mad, or is an enemy: another helper goes on if it is neither. */
static __attribute__((noreturn)) void give_up(void)
{
    for (;;)
        raw_syscall(SYS_exit_group, 1);
}

/* The end of the queue, which cannot be before `tail` nor beyond the memory there is. */
static uint64_t checked_head(uint64_t tail)
{
    uint64_t head = channel_head(channel);
    if (head - tail > (uint64_t)drain_limits.chunks << drain_limits.chunk_bits)
        give_up();
    return head;
}

static uint64_t payload_between(uint64_t at, uint64_t head)
{
    uint64_t bytes = 0;
    while (at < head) {
        struct record record = channel_record(channel, chunks, drain_limits.chunks, at);
        if (record.size > RECORD_LIMIT)
            break; /* a writer dropped it meanwhile: the caller's exchange fails */
        bytes += record.size;
        at += record_space(record.size);
    }
    return bytes;
}

static void discard_all(void)
{
    uint64_t tail = atomic_load(&channel->tail);
    uint64_t head;
    uint64_t bytes;
    do {
        head = checked_head(tail);
        bytes = payload_between(tail, head);
    } while (!atomic_compare_exchange_strong(&channel->tail, &tail, head));
    atomic_fetch_add(&channel->lost, bytes);
    atomic_store(&channel->middle, 0);
}

/* Takes whole records: one, or as many as fit into PIPE_BUF. Returns their bytes, 0 when nothing is
 * there or writers dropped it meanwhile. */
static uint32_t take(void)
{
    uint64_t tail = atomic_load(&channel->tail);
    uint64_t head = checked_head(tail);
    uint64_t at = tail;
    uint32_t used = 0;
    uint32_t middle = 0;
    uint32_t begun = atomic_load_explicit(&channel->begun, memory_order_relaxed);
    part_count = 0;
    if (head - tail > atomic_load_explicit(&channel->peak, memory_order_relaxed))
        atomic_store_explicit(&channel->peak, head - tail, memory_order_relaxed);
    while (at < head && used < PIPE_BUF && part_count + 2 <= PARTS) {
        struct record record = channel_record(channel, chunks, drain_limits.chunks, at);
        /* Each header says where the next is: without this they come from the writer's core one
         * after the other. */
        __builtin_prefetch(place(at) + FETCHED_AHEAD);
        if (record.size > RECORD_LIMIT || record.size == 0 ||
            at + record_space(record.size) > head || (used > 0 && used + record.size > PIPE_BUF))
            break;
        uint32_t skip = at == tail && begun < record.size ? begun : 0;
        add_payload(at + sizeof record + skip, used, record.size - skip);
        used += record.size - skip;
        at += record_space(record.size);
        middle = record.flags & RECORD_CONTINUED;
    }
    if (at == tail) {
        /* Where writers drop, a record may change under our eyes; else none can be broken. */
        if (at < head && !drain_limits.drops_oldest)
            give_up();
        return 0;
    }
    atomic_store(&channel->in_flight, used);
    if (!atomic_compare_exchange_strong(&channel->tail, &tail, at)) {
        atomic_store(&channel->in_flight, 0);
        return 0;
    }
    atomic_store(&channel->middle, middle);
    return used;
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

/* One write of the parts. A write over PIPE_BUF that is interrupted by a kill has been made in
 * part, and nobody knows which: so it never waits. */
static long send_some(struct iovec *part, unsigned count, uint32_t left)
{
    if (left <= PIPE_BUF)
        return raw_syscall(SYS_writev, HELPER_FD, part, count);
    long result = raw_syscall(SYS_pwritev2, HELPER_FD, part, count, -1, -1, RWF_NOWAIT);
    if (result != -EOPNOTSUPP && result != -ENOSYS)
        return result;
    uint64_t first = part->iov_len < PIPE_BUF ? part->iov_len : PIPE_BUF; /* a named FIFO */
    return raw_syscall(SYS_write, HELPER_FD, part->iov_base, first);
}

/* Sends the parts, of `size` bytes. False: the reader is gone. */
static bool send_parts(uint32_t size)
{
    struct iovec *part = parts;
    uint32_t sent = 0;
    static uint64_t progress_ns; /* the reader took something; child: scratch */
    while (sent < size) {
        long result = send_some(part, part_count - (unsigned)(part - parts), size - sent);
        bool interrupted = result == -EINTR;
        if (result == -EAGAIN) { /* also if the program made its file description non-blocking */
            struct pollfd writable = {HELPER_FD, POLLOUT, 0};
            interrupted = raw_syscall(SYS_ppoll, &writable, 1, 0, 0, 0) == -EINTR;
        }
        if (interrupted)
            give_back_if_asked();
        if (interrupted && dismissal_is_due(program, progress_ns))
            raw_syscall(SYS_exit_group, 0); /* another goes on if the program lives after all */
        if (result < 0 && result != -EINTR && result != -EAGAIN)
            return false;
        if (result > 0) {
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

static void nap(void)
{
    struct timespec moment = {0, NAP_NS};
    raw_syscall(SYS_nanosleep, &moment, 0);
}

/* Write-behind: a writer must not pay for a wake-up with each line, so the helper looks again after
 * naps; after a while without work it sleeps until it is woken. */
static void sleep_until_woken(int64_t ticket)
{
    struct timespec linger = {0, (long)drain_limits.linger_ns};
    for (int i = 0; linger.tv_nsec > 0 && i < NAPS; i++) {
        if (has_work() || send_order_is_wanted(HELPER_FD, ticket))
            return;
        nap();
    }
    uint32_t seen = atomic_load(&channel->wake);
    atomic_store(&channel->sleeping, 1);
    if (!has_work() && linger.tv_nsec > 0)
        raw_syscall(SYS_futex, &channel->wake, FUTEX_WAIT, seen, &linger, 0, 0);
    atomic_store(&channel->sleeping, 0);
}

/* The first record comes in a moment, unless the program was killed, or jumped out, just now. */
static void wait_until_open(void)
{
    enum { PATIENCE = 2000, RETRY_NS = NS_PER_MS, SHORTLY = 100 };
    for (int i = 0; i < PATIENCE + SHORTLY && !atomic_load(&channel->open); i++) {
        struct timespec moment = {0, i < SHORTLY ? RETRY_NS / 20 : RETRY_NS};
        if (i >= SHORTLY && raw_syscall(SYS_kill, program, 0) == -ESRCH)
            return;
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
}

void helper_run(struct channel *of, char *chunks_of, pid_t who)
{
    channel = of;
    chunks = chunks_of;
    program = who;
    int64_t ticket = atomic_load(&channel->ticket);
    while (!send_order_wait(HELPER_FD, ticket, &channel->give_back))
        give_back_if_asked();
    wait_until_open();
    for (;;) {
        give_back_if_asked();
        uint32_t size = take();
        if (size > 0) {
            if (!send_parts(size)) {
                atomic_fetch_add(&channel->lost, size);
                discard_all();
            }
            atomic_store(&channel->begun, 0);
            atomic_store(&channel->sent, atomic_load(&channel->tail));
            atomic_store(&channel->in_flight, 0);
            announce_space();
            measure_reader(size);
            /* Write-behind: the queue was drawn empty; what comes next is sent as a batch. */
            if (size < PIPE_BUF / 2 && drain_limits.linger_ns > 0 && !atomic_load(&channel->let_go))
                nap();
            continue;
        }
        sleep_until_woken(ticket);
        if (channel_is_empty(channel) && may_leave())
            return;
    }
}
