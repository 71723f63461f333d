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
#include "drain/ring.h"
#include "drain/room.h"
#include "drain/survival.h"
#include "drain/turn.h"

enum {
    PARTS = 512,
    STRING_COPY_FROM = 512,
    COPIED_BELOW = 1024,
    PORTIONS_OF_BOUND = 128,
    FETCHED_AHEAD = 512,
    NAPS = 40,
    NAP_NS = 200 * NS_PER_US
};

/* Private to the helper after the fork. */
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

static void read_ring(struct stream *stream, uint64_t at, void *to, uint64_t size)
{
    uint64_t place = ring_place(stream, at);
    uint64_t first = drain_memory->ring_size - place;
    const char *ring = ring_of(stream);
    if (first > size)
        first = size;
    copy(to, ring + place, first);
    copy((char *)to + first, ring, size - first);
}

static void add_part(const char *from, uint64_t size)
{
    struct iovec *last = part_count ? &parts[part_count - 1] : NULL;
    if (last && (const char *)last->iov_base + last->iov_len == from)
        last->iov_len += size;
    else if (size > 0)
        parts[part_count++] = (struct iovec){(char *)from, size};
}

/* Small records are copied: an entry of writev() costs more. Large ones are sent from the ring,
 * which the writers reuse only up to `sent`; not where they may drop them meanwhile. */
static void add_payload(struct stream *stream, uint64_t at, uint32_t used, uint32_t size)
{
    if (size < COPIED_BELOW || drain_memory->drops_oldest) {
        read_ring(stream, at, batch + used, size);
        add_part(batch + used, size);
    } else {
        uint64_t place = ring_place(stream, at);
        uint64_t first = drain_memory->ring_size - place;
        add_part(ring_of(stream) + place, size < first ? size : first);
        add_part(ring_of(stream), size < first ? 0 : size - first);
    }
}

/* The sum of all queues is a cache line of the writers: write-behind tells of what
 * was taken in portions. */
static void note_taken(struct stream *stream, uint64_t space, bool all)
{
    uint64_t untold = atomic_load_explicit(&stream->untold, memory_order_relaxed) + space;
    bool tells = untold > 0 &&
                 (all || drain_memory->exact || untold >= drain_memory->max / PORTIONS_OF_BOUND);
    atomic_store_explicit(&stream->untold, tells ? 0 : untold, memory_order_relaxed);
    if (tells)
        atomic_fetch_sub(&drain_memory->queued, untold);
}

static uint64_t payload_between(struct stream *stream, uint64_t at, uint64_t head)
{
    uint64_t bytes = 0;
    while (at < head) {
        struct record record = ring_record(stream, at);
        if (record.size > RECORD_LIMIT)
            break; /* a writer dropped it meanwhile: the caller's exchange fails */
        bytes += record.size;
        at += record_space(record.size);
    }
    return bytes;
}

static void discard_all(struct stream *stream)
{
    uint64_t tail = atomic_load(&stream->tail);
    uint64_t head;
    uint64_t bytes;
    do {
        head = atomic_load(&stream->head);
        bytes = payload_between(stream, tail, head);
    } while (!atomic_compare_exchange_strong(&stream->tail, &tail, head));
    atomic_fetch_add(&drain_memory->lost_bytes, bytes);
    atomic_store(&stream->middle, 0);
    note_taken(stream, head - tail, true);
}

/* Takes whole records: one, or as many as fit into PIPE_BUF. Returns their bytes, 0 when nothing is
 * there or writers dropped it meanwhile. */
static uint32_t take(struct stream *stream)
{
    uint64_t tail = atomic_load(&stream->tail);
    uint64_t head = atomic_load(&stream->head);
    uint64_t at = tail;
    uint32_t used = 0;
    uint32_t middle = 0;
    uint32_t begun = atomic_load_explicit(&stream->begun, memory_order_relaxed);
    part_count = 0;
    if (head - tail > atomic_load_explicit(&stream->episode_peak, memory_order_relaxed))
        atomic_store_explicit(&stream->episode_peak, head - tail, memory_order_relaxed);
    while (at < head && used < PIPE_BUF && part_count + 2 <= PARTS) {
        struct record record = ring_record(stream, at);
        /* Each header says where the next is: without this they come from the writer's core one
         * after the other. */
        __builtin_prefetch(ring_of(stream) + ring_place(stream, at + FETCHED_AHEAD));
        if (record.size > RECORD_LIMIT || record.size == 0 ||
            at + record_space(record.size) > head || (used > 0 && used + record.size > PIPE_BUF))
            break;
        uint32_t skip = at == tail && begun < record.size ? begun : 0;
        add_payload(stream, at + sizeof record + skip, used, record.size - skip);
        used += record.size - skip;
        at += record_space(record.size);
        middle = record.flags & RECORD_CONTINUED;
    }
    if (at == tail) {
        /* Where writers drop, a record may change under our eyes; else none can be broken. */
        if (at < head && !drain_memory->drops_oldest)
            discard_all(stream);
        return 0;
    }
    atomic_store(&stream->in_flight, used);
    if (!atomic_compare_exchange_strong(&stream->tail, &tail, at)) {
        atomic_store(&stream->in_flight, 0);
        return 0;
    }
    atomic_store(&stream->middle, middle);
    note_taken(stream, at - tail, false);
    return used;
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
static bool send(struct stream *stream, uint32_t size)
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
        if (interrupted && dismissal_is_due(stream, progress_ns))
            raw_syscall(SYS_exit_group, 0); /* another goes on if the program lives after all */
        if (result < 0 && result != -EINTR && result != -EAGAIN)
            return false;
        if (result > 0) {
            sent += (uint32_t)result;
            if (dismissal_was_heard())
                progress_ns = clock_monotonic_ns();
            if (sent < size)
                atomic_fetch_add(&stream->begun, (uint32_t)result);
            for (; result > 0 && (uint64_t)result >= part->iov_len; part++)
                result -= (long)part->iov_len;
            part->iov_base = (char *)part->iov_base + result;
            part->iov_len -= (uint64_t)result;
        }
    }
    return true;
}

/* A queue that nobody writes to for a moment keeps little memory. */
static void give_back_rest(struct stream *stream)
{
    if (!lock_try_as(&stream->lock, (uint32_t)raw_syscall(SYS_gettid)))
        return;
    ring_rest(stream, false);
    lock_release(&stream->lock);
}

/* For the writers: a reader that takes what comes will soon have read it all. */
static void measure_reader(struct stream *stream, uint32_t sent)
{
    enum { PORTION = 64 * 1024, QUICK_NS = 8 * NS_PER_MS };
    static uint64_t in_portion, began_ns; /* child: scratch */
    in_portion += sent;
    if (in_portion < PORTION)
        return;
    uint64_t now = clock_monotonic_ns();
    atomic_store_explicit(&stream->reader_is_quick, now - began_ns < QUICK_NS,
                          memory_order_relaxed);
    in_portion = 0;
    began_ns = now;
}

/* Writers that wait at the bound are woken not for each batch: that would cost more than it. */
static void tell_of_room(struct stream *stream)
{
    static uint64_t told; /* child: scratch */
    if (!room_is_wanted())
        return;
    note_taken(stream, 0, true);
    uint64_t now = ticks_now();
    if (!stream_is_empty(stream) && now - told < TICKS_ABOUT_1_MS / 4)
        return;
    told = now;
    room_tell();
}

static bool may_leave(struct stream *stream)
{
    atomic_store(&stream->state, HELPER_LEAVES);
    if (!stream_is_empty(stream)) {
        atomic_store(&stream->state, HELPER_RUNS);
        return false;
    }
    /* Closed, and with it our place in the line given up, before the writers may go past this
     * helper: the last reference to the pipe must not be one that nobody uses. */
    raw_syscall(SYS_close, HELPER_FD);
    atomic_store(&stream->ended_ns, clock_monotonic_ns());
    survival_end(stream);
    atomic_fetch_sub(&drain_memory->active, 1);
    atomic_store(&stream->state, HELPER_NONE);
    return true;
}

static bool has_work(struct stream *stream)
{
    return !stream_is_empty(stream) || atomic_load(&stream->let_go);
}

static void nap(void)
{
    struct timespec moment = {0, NAP_NS};
    raw_syscall(SYS_nanosleep, &moment, 0);
}

/* Write-behind: a writer must not pay for a wake-up with each line, so the helper looks again after
 * naps; after a while without work it sleeps until it is woken. */
static void sleep_until_woken(struct stream *stream, int64_t ticket)
{
    struct timespec linger = {0, (long)drain_memory->linger_ns};
    for (int i = 0; linger.tv_nsec > 0 && i < NAPS; i++) {
        if (has_work(stream) || turn_is_wanted(HELPER_FD, ticket))
            return;
        nap();
    }
    note_taken(stream, 0, true);
    uint32_t seen = atomic_load(&stream->wake);
    atomic_store(&stream->sleeping, 1);
    if (!has_work(stream) && linger.tv_nsec > 0) {
        give_back_rest(stream);
        raw_syscall(SYS_futex, &stream->wake, FUTEX_WAIT, seen, &linger, 0, 0);
    }
    atomic_store(&stream->sleeping, 0);
}

void helper_run(struct stream *stream)
{
    int64_t ticket = atomic_load(&stream->ticket);
    turn_wait(HELPER_FD, ticket);
    for (;;) {
        uint32_t size = take(stream);
        if (size > 0) {
            bool read = send(stream, size);
            if (!read) {
                atomic_fetch_add(&drain_memory->lost_bytes, size);
                discard_all(stream);
            }
            atomic_store(&stream->begun, 0);
            atomic_store(&stream->sent, atomic_load(&stream->tail));
            atomic_store(&stream->in_flight, 0);
            tell_of_room(stream);
            measure_reader(stream, size);
            /* Write-behind: the queue was drawn empty; what comes next is sent as a batch. */
            if (size < PIPE_BUF / 2 && drain_memory->linger_ns > 0 && !atomic_load(&stream->let_go))
                nap();
            continue;
        }
        sleep_until_woken(stream, ticket);
        if (stream_is_empty(stream))
            give_back_rest(stream);
        if (stream_is_empty(stream) && may_leave(stream))
            return;
    }
}
