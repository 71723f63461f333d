// SPDX-License-Identifier: MIT
#include "drain/episode.h"

#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/chunks.h"
#include "drain/fallback.h"
#include "drain/helper_process.h"
#include "drain/signals.h"
#include "drain/totals.h"
#include "kernel/memory_limit.h"

/* The new channel, at the address where the stream's always is. Who waits for the old one's helper,
 * of which the kernel wakes one thread only, looks again. */
static struct channel *take_place(struct stream *stream, struct channel *fresh)
{
    struct channel *old = atomic_load(&stream->channel);
    if (!old) {
        atomic_store(&stream->channel, fresh);
        return fresh;
    }
    raw_syscall(SYS_futex, &old->helper_tid, FUTEX_WAKE, INT_MAX, 0, 0, 0);
    raw_syscall(SYS_mremap, fresh, CHANNEL_HEADER, CHANNEL_HEADER, MREMAP_MAYMOVE | MREMAP_FIXED,
                old);
    return old;
}

static void use_chunks(struct stream *stream, char *chunks, unsigned count)
{
    stream->chunks = chunks;
    stream->mapped = count;
    memset(stream->used, 0, sizeof stream->used);
    memset(stream->touched, 0, sizeof stream->touched);
}

/* The helper has left, or was killed with nothing to send: counts what there is to count, and gives
 * all memory but the channel's back. All signals are blocked. */
static void end(struct stream *stream)
{
    struct channel *channel = atomic_load(&stream->channel);
    uint64_t peak = atomic_load(&channel->peak);
    uint64_t ended = atomic_load(&channel->ended_ns);
    atomic_store(&stream->episode_peak, peak);
    totals_note_peak(peak);
    atomic_fetch_add(&drain_state->lost, atomic_load(&channel->lost));
    atomic_fetch_add(&stream->lost, atomic_load(&channel->lost));
    atomic_store(&stream->ended_ns, ended ? ended : clock_monotonic_ns());
    chunks_drop_all(stream);
    atomic_store(&stream->running, 0);
    if (atomic_fetch_sub(&drain_state->active, 1) == 1)
        atomic_store(&drain_state->queued, 0);
}

/* It may have been sealed while this thread, which holds its lock, stood still, before it had a
 * channel to be closed; its successor's helper is before ours in the line. */
static void close_if_sealed(struct stream *stream)
{
    if (atomic_load(&stream->sealed))
        atomic_fetch_or(&atomic_load(&stream->channel)->head, CHANNEL_SEALED);
}

/* Before anything is queued: a queue must not let the kernel kill where the program would have
 * waited. The rest of the group's memory is for what else is in it. */
static void regard_memory_limit(void)
{
    enum { PARTS = 4 };
    static _Atomic bool known; /* child: kept, it is in the same group */
    if (atomic_exchange(&known, true))
        return;
    uint64_t share = memory_limit() / PARTS;
    if (share < drain_limits.max)
        drain_limits.max = share > CHUNK_LEAST ? share : CHUNK_LEAST;
}

/* All signals are blocked. */
static bool begin(struct stream *stream, int fd)
{
    struct helper_memory memory;
    regard_memory_limit();
    if (!helper_start(fd, &memory, NULL, NULL))
        return false;
    take_place(stream, memory.channel);
    use_chunks(stream, memory.chunks, memory.mapped);
    atomic_store(&stream->helper, memory.helper);
    stream->freed_to = 0;
    stream->chunks_to = 0;
    stream->ready_to = 0;
    stream->counted = 0;
    atomic_store(&stream->catching_up, 0);
    atomic_store(&stream->fd, fd);
    atomic_store(&stream->started_ns, clock_monotonic_ns());
    atomic_store(&stream->ended_ns, 0);
    atomic_store(&stream->episode_bytes, 0);
    atomic_store(&stream->episode_peak, 0);
    atomic_store(&stream->running, 1);
    close_if_sealed(stream);
    atomic_fetch_add(&drain_state->active, 1);
    atomic_fetch_add(&stream->episode, 1);
    atomic_fetch_add(&queue_totals.episodes, 1);
    return true;
}

static uint64_t align_down(uint64_t at)
{
    return at & ~(chunk_size() - 1);
}

/* What lies in [from, head) goes to the chunks of the new helper, chunk by chunk. What was copied
 * is given back at once, so that it is not twice in memory; not while the old helper has not ended,
 * for the kernel may be just reading there for it. */
static void copy_chunks(struct stream *stream, struct channel *fresh, char *chunks, uint64_t from,
                        uint64_t head)
{
    struct channel *old = atomic_load(&stream->channel);
    bool ended = helper_was_killed(old);
    unsigned index = 0;
    for (uint64_t at = from; at < head; index++) {
        uint64_t size = chunk_rest(at) < head - at ? chunk_rest(at) : head - at;
        char *place = channel_place(old, stream->chunks, stream->mapped, at);
        unsigned slot = (unsigned)(at >> drain_limits.chunk_bits) & (TABLE_SIZE - 1);
        atomic_store(&fresh->chunk_of[slot], (uint16_t)index);
        memcpy(chunks + index * chunk_size() + (at & (chunk_size() - 1)), place, size);
        if (ended)
            raw_syscall(SYS_madvise, place - (at & (chunk_size() - 1)), chunk_size(), MADV_REMOVE);
        at += size;
    }
}

/* Counts anew what was taken and is queued again. */
static void count_again(struct stream *stream, uint64_t from)
{
    if (stream->counted > from)
        atomic_fetch_add(&drain_state->queued, stream->counted - from);
    else
        drain_uncount(from - stream->counted);
    stream->counted = from;
}

/* Where the new helper begins. What was taken is there still, in `sent` to `tail`, but where
 * writers that drop the oldest may have put something over it. */
static uint64_t first_unsent(struct channel *channel)
{
    uint64_t head = channel_head(channel);
    uint64_t from = atomic_load(&channel->sent);
    if (drain_limits.drops_oldest) {
        uint32_t lost = atomic_load(&channel->in_flight);
        if (lost > 0)
            totals_drop(lost);
        atomic_store(&channel->in_flight, 0);
        from = atomic_load(&channel->tail);
    }
    return from <= head ? from : head;
}

struct left_over {
    struct stream *stream;
    uint64_t from, head;
};

/* Before the new helper is there, so that it need not be waited for: see helper_prepare. */
static bool move_to(void *context, struct helper_memory *memory)
{
    struct left_over *left = context;
    struct channel *old = atomic_load(&left->stream->channel);
    struct channel *fresh = memory->channel;
    uint64_t to = align_down(left->head + chunk_size() - 1);
    unsigned count = (unsigned)((to - align_down(left->from)) >> drain_limits.chunk_bits);
    if (count > drain_limits.chunks)
        return false;
    long moved = raw_syscall(SYS_mremap, memory->chunks, memory->mapped * chunk_size(),
                             count * chunk_size(), MREMAP_MAYMOVE, 0);
    if (moved < 0 && moved > -4096)
        return false;
    memory->chunks = (char *)moved;
    memory->mapped = count;
    copy_chunks(left->stream, fresh, memory->chunks, left->from, left->head);
    atomic_store(&fresh->tail, left->from);
    atomic_store(&fresh->sent, left->from);
    atomic_store(&fresh->begun, drain_limits.drops_oldest ? 0 : atomic_load(&old->begun));
    atomic_store(&fresh->peak, atomic_load(&old->peak));
    atomic_store(&fresh->lost, atomic_load(&old->lost));
    atomic_store(&fresh->let_go, atomic_load(&old->let_go));
    atomic_store(&fresh->head,
                 left->head | (atomic_load(&left->stream->sealed) ? CHANNEL_SEALED : 0));
    atomic_store(&fresh->open, 1);
    return true;
}

static unsigned touched_chunks(const struct stream *stream)
{
    unsigned count = 0;
    for (unsigned i = 0; i < CHUNK_WORDS; i++)
        count += (unsigned)__builtin_popcountll(stream->touched[i]);
    return count;
}

/* All signals are blocked. False: no process, or no memory, is to be had. */
static bool take_over(struct stream *stream, int fd, uint64_t from)
{
    struct left_over left = {stream, from, channel_head(atomic_load(&stream->channel))};
    struct helper_memory memory;
    bool there = helper_start(fd, &memory, move_to, &left);
    if (!memory.channel)
        return false;
    if (!there) /* moved, but nobody sends it: as if that helper had been killed as well */
        atomic_store(&memory.channel->helper_tid, FUTEX_OWNER_DIED);
    count_again(stream, from);
    atomic_fetch_sub(&drain_state->resident, touched_chunks(stream) * chunk_size());
    raw_syscall(SYS_munmap, stream->chunks, stream->mapped * chunk_size());
    use_chunks(stream, memory.chunks, memory.mapped);
    atomic_store(&stream->helper, memory.helper);
    for (unsigned i = 0; i < memory.mapped; i++) {
        stream->used[i / 64] |= 1ULL << i % 64;
        stream->touched[i / 64] |= 1ULL << i % 64;
    }
    atomic_fetch_add(&drain_state->resident, memory.mapped * chunk_size());
    stream->freed_to = align_down(from);
    stream->chunks_to = align_down(left.head + chunk_size() - 1);
    stream->ready_to = left.head;
    take_place(stream, memory.channel);
    close_if_sealed(stream);
    return there;
}

static uint64_t begin_changes(struct stream *stream)
{
    uint64_t before = signals_block();
    atomic_store(&stream->changes, 1);
    return before;
}

static void end_changes(struct stream *stream, uint64_t before)
{
    atomic_store(&stream->changes, 0);
    signals_restore(before);
}

static bool go_on_after_a_killed_one(struct stream *stream, int fd)
{
    struct channel *channel = atomic_load(&stream->channel);
    uint64_t from = first_unsent(channel);
    uint64_t before = begin_changes(stream);
    bool there = true;
    if (from == channel_head(channel)) {
        if (from > atomic_load(&channel->tail)) /* all of it was sent already */
            atomic_store(&channel->tail, from);
        end(stream);
    } else {
        there = take_over(stream, fd, from);
    }
    fallback_note(there ? DRAIN_HELPER_KILLED : DRAIN_NO_HELPER);
    end_changes(stream, before);
    return there;
}

static void retire(struct stream *stream)
{
    uint64_t before = signals_block();
    end(stream);
    signals_restore(before);
}

void episode_end_taken_back(struct stream *stream)
{
    struct channel *channel = atomic_load(&stream->channel);
    uint64_t before = signals_block();
    uint64_t queued = channel_head(channel) - atomic_load(&channel->tail);
    if (atomic_load(&channel->peak) < queued) /* which the helper notes when it takes some */
        atomic_store(&channel->peak, queued);
    atomic_fetch_or(&channel->head, CHANNEL_SEALED | CHANNEL_LEFT);
    atomic_store(&channel->tail, channel_head(channel));
    atomic_store(&channel->sent, channel_head(channel));
    atomic_store(&channel->in_flight, 0);
    end(stream);
    signals_restore(before);
}

bool episode_go_on(struct stream *stream, int fd)
{
    struct channel *channel = atomic_load(&stream->channel);
    if (atomic_load(&stream->running)) {
        if (channel_has_left(channel))
            retire(stream);
        else if (helper_was_killed(channel) && !go_on_after_a_killed_one(stream, fd))
            return false;
    }
    if (atomic_load(&stream->running))
        return true;
    uint64_t before = begin_changes(stream);
    bool there = begin(stream, fd);
    end_changes(stream, before);
    if (!there)
        fallback_note(DRAIN_NO_HELPER);
    return there;
}

static bool leads_to(int fd, struct stream *stream)
{
    struct stat status = {0};
    return raw_syscall(SYS_fstat, fd, &status) == 0 &&
           stream_is_of(stream, status.st_dev, status.st_ino);
}

int episode_descriptor(struct stream *stream)
{
    enum { TRIED = 1024 };
    int fd = atomic_load(&stream->fd);
    if (leads_to(fd, stream))
        return fd;
    for (fd = 0; fd < TRIED; fd++)
        if (leads_to(fd, stream))
            return fd;
    return -1;
}

bool episode_leave(struct stream *stream)
{
    enum { TRIES = 8 }; /* the next one may be killed as well */
    for (int i = 0; atomic_load(&stream->running); i++) {
        struct channel *channel = atomic_load(&stream->channel);
        bool has_left = channel_has_left(channel);
        if (has_left)
            retire(stream);
        if (has_left ||
            (!helper_was_killed(channel) && !helper_is_killed(atomic_load(&stream->helper))))
            return true;
        int fd = i < TRIES ? episode_descriptor(stream) : -1;
        if (fd < 0)
            return false;
        go_on_after_a_killed_one(stream, fd);
    }
    return true;
}

static bool is_to_be_looked_at(struct stream *stream)
{
    struct channel *channel = atomic_load(&stream->channel);
    return atomic_load(&stream->running) &&
           (channel_has_left(channel) || helper_was_killed(channel));
}

void episode_check_locked(struct stream *stream, int fd)
{
    if (!is_to_be_looked_at(stream))
        return;
    if (channel_has_left(atomic_load(&stream->channel)))
        retire(stream);
    else if (leads_to(fd, stream))
        go_on_after_a_killed_one(stream, fd);
}

void episode_check(struct stream *stream, int fd)
{
    if (!is_to_be_looked_at(stream) || !stream_lock_try(stream))
        return;
    episode_check_locked(stream, fd);
    stream_lock_release(stream);
}
