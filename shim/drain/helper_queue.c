// SPDX-License-Identifier: MIT
#include "drain/helper_queue.h"

#include <limits.h>
#include <stddef.h>

#include "base/raw_syscall.h"
#include "drain/plain_copy.h"

enum { PARTS = 512, COPIED_BELOW = 1024, FETCHED_AHEAD = 512 };

/* The helper's own: no process is forked from it. child: scratch */
static char batch[RECORD_LIMIT];
static struct iovec parts[PARTS + 1];
static unsigned part_count;

/* Of one channel, in this process. child: scratch */
static struct channel *channel;
static char *chunks;

void helper_queue_begin(struct channel *of, char *chunks_of)
{
    channel = of;
    chunks = chunks_of;
}

static char *place(uint64_t at)
{
    return channel_place(channel, chunks, drain_limits.chunks, at);
}

static void read_queue(uint64_t at, char *to, uint64_t size)
{
    uint64_t first = chunk_rest(at) < size ? chunk_rest(at) : size;
    plain_copy(to, place(at), first);
    if (first < size)
        plain_copy(to + first, place(at + first), size - first);
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

void helper_queue_discard(void)
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

static void note_peak(uint64_t queued)
{
    if (queued > atomic_load_explicit(&channel->peak, memory_order_relaxed))
        atomic_store_explicit(&channel->peak, queued, memory_order_relaxed);
}

uint32_t helper_queue_take(struct iovec **taken, unsigned *count)
{
    uint64_t tail = atomic_load(&channel->tail);
    uint64_t head = checked_head(tail);
    uint64_t at = tail;
    uint32_t used = 0;
    uint32_t middle = 0;
    uint32_t begun = atomic_load_explicit(&channel->begun, memory_order_relaxed);
    part_count = 0;
    note_peak(head - tail);
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
    *taken = parts;
    *count = part_count;
    return used;
}
