// SPDX-License-Identifier: MIT
#include "drain/quick_write.h"

#include <string.h>

#include "base/newer_libc.h"
#include "base/ticks.h"
#include "drain/burst.h"
#include "drain/chunks.h"
#include "drain/descriptor.h"
#include "drain/direct.h"
#include "drain/drain.h"
#include "drain/episode.h"
#include "drain/finish.h"
#include "drain/helper_process.h"
#include "drain/mapping_changes.h"
#include "drain/queue.h"
#include "drain/readable.h"
#include "drain/settings.h"
#include "drain/stream_table.h"
#include "slots/slot.h"

enum { QUICK_LIMIT = 4096 }; /* bytes: what is larger is copied for longer than it is asked for */

/* False: it may have to be made directly, or a reader that is quick be waited for. */
static bool is_to_be_queued(struct channel *channel, uint64_t size)
{
    if (drain_settings.write_behind_mode)
        return !drain_settings.grow && burst_goes_on(size);
    return !atomic_load_explicit(&channel->reader_is_quick, memory_order_relaxed);
}

/* The lock is held. What drain_write() asks of a stream, where the answer is not what it mostly is.
 */
static bool needs_no_thought(struct stream *stream, const struct descriptor *descriptor,
                             uint64_t now)
{
    return stream_takes_writes_of(stream, descriptor->device, descriptor->inode) &&
           episode_goes_on(stream) && stream->children_seen == descriptor->children &&
           now - stream->line_seen < STREAM_TICKS_FOR_OTHERS;
}

/* The lock is held. If it has gone, drain_write() finds that as well. */
static bool reader_is_there(struct stream *stream, int fd, uint64_t now)
{
    if (now - stream->reader_seen < STREAM_TICKS_FOR_READER)
        return true;
    bool gone = direct_reader_is_gone(fd);
    stream->reader_seen = gone ? TICKS_LONG_AGO : now;
    return !gone;
}

/* The lock is held. Where what is queued is counted at each write, somebody has to count now if
 * the helper has taken anything; and what goes out in a moment goes out directly. */
static bool has_space(struct stream *stream, struct channel *channel, uint64_t head, uint64_t space)
{
    if (drain_limits.exact) {
        uint64_t tail = atomic_load_explicit(&channel->tail, memory_order_relaxed);
        if (tail != stream->counted || tail == head)
            return false;
    }
    return head + space <= stream->ready_to && chunk_rest(head) >= space &&
           atomic_load_explicit(&drain_state->queued, memory_order_relaxed) + space <=
               drain_limits.max;
}

/* The lock is held. */
static bool append(struct stream *stream, uint64_t version, const void *buffer, uint32_t size)
{
    struct channel *channel = atomic_load_explicit(&stream->channel, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&channel->head, memory_order_relaxed);
    uint64_t space = record_space(size);
    if ((head & ~CHANNEL_POSITION) || !has_space(stream, channel, head, space) ||
        !atomic_load_explicit(&channel->open, memory_order_relaxed) ||
        !mapping_is_as_asked((uint32_t)version))
        return false;
    char *place = chunks_place(stream, head);
    struct record *record = __builtin_assume_aligned(place, RECORD_ALIGN);
    *record = (struct record){size, 0};
    memcpy(place + sizeof *record, buffer, size);
    chunks_prefetch(stream, head + space);
    atomic_fetch_add_explicit(&drain_state->queued, space, memory_order_relaxed);
    if (!atomic_compare_exchange_strong(&channel->head, &head, head + space)) {
        drain_uncount(space); /* the helper has just left, or the stream was sealed */
        return false;
    }
    helper_wake(channel);
    stream_note_queued(stream, size);
    return true;
}

bool quick_write(int fd, const void *buffer, size_t size)
{
    struct descriptor descriptor;
    if (size - 1 >= QUICK_LIMIT || !drain_enabled || !drain_is_active())
        return false;
    uint64_t now = ticks_now();
    if (!descriptor_recall(fd, now, TICKS_ABOUT_1_MS, &descriptor) || !descriptor.named ||
        descriptor.kind == DESCRIPTOR_OTHER)
        return false;
    struct stream *stream = stream_find(descriptor.device, descriptor.inode);
    int self = thread_slot->tid;
    if (!stream || self <= 0 || !atomic_load_explicit(&stream->running, memory_order_relaxed) ||
        !is_to_be_queued(atomic_load_explicit(&stream->channel, memory_order_relaxed), size))
        return false;
    /* write() is a cancellation point. */
    if (!is_single_threaded())
        cancellation_point();
    uint32_t version = mapping_version();
    if (!readable_is_known(buffer, size, now) && !readable(buffer, size, now))
        return false;
    if (!stream_lock_at_once(stream, (uint32_t)self))
        return false;
    bool done = needs_no_thought(stream, &descriptor, now) && reader_is_there(stream, fd, now) &&
                append(stream, version, buffer, (uint32_t)size);
    stream_lock_release(stream);
    if (!done)
        return false;
    burst_note();
    finish_late_write((ssize_t)size);
    return true;
}
