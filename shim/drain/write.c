// SPDX-License-Identifier: MIT
/* drain_write(): where a write goes. No lock is held while it waits. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "drain/burst.h"
#include "drain/catch_up.h"
#include "drain/descriptor.h"
#include "drain/direct.h"
#include "drain/drain.h"
#include "drain/drained_write.h"
#include "drain/episode.h"
#include "drain/fallback.h"
#include "drain/finish.h"
#include "drain/headroom.h"
#include "drain/queue.h"
#include "drain/send_order.h"
#include "drain/settings.h"
#include "drain/space.h"
#include "drain/stream_table.h"
#include "drain/totals.h"
#include "slots/slot.h"

/* Not a result: what to do before the next try. */
enum {
    TRY_AGAIN = DRAIN_PASS - 1,
    WAIT_FOR_SPACE = DRAIN_PASS - 2,
    WAIT_A_MOMENT = DRAIN_PASS - 3,
    ASK_MEMORY = DRAIN_PASS - 4,
    WAIT_FOR_MEMORY = DRAIN_PASS - 5,
};

static long sleep_ns(long ns)
{
    struct timespec moment = {0, ns};
    return raw_syscall(SYS_nanosleep, &moment, 0);
}

__thread uint32_t burst_last; /* child: kept, only its changes count */

/* While something is queued nobody would notice that the reader has gone until the helper does: the
 * program has to get its EPIPE and SIGPIPE from this write. Asked not more often than a reader can
 * go and the program hear of it by another way. */
static bool reader_is_gone(struct stream *stream, int fd, uint64_t now)
{
    if (now - stream->reader_seen < STREAM_TICKS_FOR_READER)
        return false;
    stream->reader_seen = now;
    return direct_reader_is_gone(fd);
}

/* True if no other image's helper sends to the pipe, nor one of ours for a stream that was sealed,
 * or this stream's is in the line already. */
static bool is_in_line(struct stream *stream, struct descriptor *descriptor)
{
    return atomic_load(&stream->running) ||
           (!streams_wait_for_older(stream) && descriptor_is_free(descriptor));
}

/* Of a write that has begun, which cannot be dropped: whichever comes first, its reader or space in
 * the queues. */
static ssize_t write_what_fits(struct drained_write *write)
{
    struct queued_write *queued = &write->queued;
    long done = direct_write_rest_now(queued->fd, queued->vector, write->count, queued->done);
    if (done < 0)
        return done == -EAGAIN ? WAIT_A_MOMENT : DRAIN_PASS;
    queued->done += (uint64_t)done;
    return queued->done >= queued->size ? (ssize_t)queued->done : WAIT_A_MOMENT;
}

/* The lock is held, and the write cannot be queued. */
static ssize_t write_unqueued(struct stream *stream, struct drained_write *write,
                              enum queue_outcome outcome)
{
    enum { TRIES = 40 }; /* 10 ms */
    struct queued_write *queued = &write->queued;
    if (!stream_is_sent(stream) || !is_in_line(stream, &write->descriptor))
        return WAIT_A_MOMENT;
    if (outcome == QUEUE_NOT_POSSIBLE)
        return DRAIN_PASS;
    /* Who is inside another queue is out of it in a moment, unless it was stopped there. */
    if (queued->uncounted && write->tries++ < TRIES)
        return WAIT_A_MOMENT;
    if (queued->done > 0)
        return write_what_fits(write);
    if (drain_settings.overflow == DRAIN_BLOCK)
        return DRAIN_PASS;
    long done = direct_write_now(queued->fd, queued->vector, write->count);
    if (done == -EAGAIN) {
        totals_drop(queued->size);
        return (ssize_t)queued->size;
    }
    if (done < 0)
        return done == -EPIPE ? done : DRAIN_PASS;
    queued->done = (uint64_t)done;
    return queued->done >= queued->size ? done : TRY_AGAIN;
}

/* Puts what is left of the write where it is in order: the lock is held. Write-behind looks at what
 * the helper writes only now and then: its cache line comes from another core. */
static ssize_t write_in_order(struct stream *stream, struct drained_write *write)
{
    struct queued_write *queued = &write->queued;
    bool direct = queued->done == 0 && write->at_once && stream_is_sent(stream) &&
                  is_in_line(stream, &write->descriptor);
    direct = direct || (queued->done == 0 && reader_is_gone(stream, queued->fd, write->now));
    if (direct) {
        long done = direct_write_now(queued->fd, queued->vector, write->count);
        if (done < 0 && done != -EAGAIN)
            return done == -EPIPE ? done : DRAIN_PASS;
        queued->done = done > 0 ? (uint64_t)done : 0;
        if (queued->done >= queued->size) /* more, if memory that was not there is there again */
            return done;
    }
    enum queue_outcome outcome =
        queue_write(stream, queued, drain_settings.overflow, &write->asked);
    if (outcome == QUEUE_DONE)
        return (ssize_t)queued->size;
    if (outcome == QUEUE_FULL)
        return WAIT_FOR_SPACE;
    if (outcome == QUEUE_ELSEWHERE)
        return TRY_AGAIN;
    if (outcome == QUEUE_UNREADABLE)
        return ASK_MEMORY;
    if (outcome == QUEUE_SPARED)
        return WAIT_FOR_MEMORY;
    return write_unqueued(stream, write, outcome);
}

/* A non-blocking descriptor keeps its EAGAIN, also while something is queued before it. */
static ssize_t write_non_blocking(const struct descriptor *descriptor)
{
    return streams_are_sent(descriptor->device, descriptor->inode) ? DRAIN_PASS : -EAGAIN;
}

/* With nothing queued in the whole process no lock is taken: what fits goes out. Returns what
 * drain_write() does, or -EAGAIN if nothing was written and the write is to be queued, or the part
 * of it that was written. */
static ssize_t write_directly(struct drained_write *write, long tried)
{
    const struct queued_write *queued = &write->queued;
    long done = tried != DIRECT_NOT_TRIED
                    ? tried
                    : direct_write_now(queued->fd, queued->vector, write->count);
    if (done == -EPIPE || (done >= 0 && (uint64_t)done == queued->size))
        return done;
    if (done < 0 && done != -EAGAIN)
        return DRAIN_PASS;
    if (drained_write_look_again(write) != DESCRIPTOR_SAME)
        return done > 0 ? done : DRAIN_PASS;
    direct_grow(&write->descriptor);
    done = direct_write_while_read(queued->fd, queued->vector, write->count, done);
    return done < 0 && done != -EAGAIN && done != -EPIPE ? DRAIN_PASS : done;
}

/* Somebody who wrote after us, another process, should not wait for as long as we go on writing: a
 * quarter of a second, if the reader takes something meanwhile, and once at a time. */
static bool others_have_waited(struct stream *stream, uint64_t now)
{
    if (now - stream->line_seen < STREAM_TICKS_FOR_OTHERS)
        return false;
    uint64_t sent = atomic_load(&atomic_load(&stream->channel)->sent);
    bool moved = sent != stream->line_sent;
    stream->line_seen = now;
    stream->line_sent = sent;
    return moved && !streams_wait_for_older(stream);
}

/* The stream that the write belongs to, locked. While our helper sends, a child that has been
 * waited for may have left one that waits: what comes now comes after it, in a stream of its own.
 */
static struct stream *lock_in_order(struct drained_write *write, struct stream *found)
{
    uint64_t device = write->descriptor.device;
    uint64_t inode = write->descriptor.inode;
    struct stream *stream = stream_find_locked(device, inode, found);
    uint32_t children = write->descriptor.children;
    if (!stream || !atomic_load(&stream->running))
        return stream;
    bool child_ended = stream->children_seen != children;
    stream->children_seen = children;
    if (!child_ended && !others_have_waited(stream, write->now))
        return stream;
    if (!descriptor_send_order_is_known() ||
        !send_order_is_wanted(write->queued.fd,
                              atomic_load(&atomic_load(&stream->channel)->ticket)))
        return stream;
    stream_seal(stream);
    stream_lock_release(stream);
    stream = stream_find_locked(device, inode, NULL);
    if (stream)
        stream->children_seen = children;
    return stream;
}

static bool is_of_a_burst(uint64_t size)
{
    if (!drain_settings.write_behind_mode)
        return false;
    bool goes_on = burst_goes_on(size);
    burst_note();
    return goes_on;
}

/* Between two tries. 0, or the result of the write. */
static ssize_t wait_between(struct stream *stream, struct drained_write *write, ssize_t reason)
{
    enum { NAPS_FOR_MEMORY = 10 };
    struct queued_write *queued = &write->queued;
    if (reason == TRY_AGAIN)
        return 0;
    if (reason == WAIT_FOR_MEMORY) {
        queued->spares = ++write->naps < NAPS_FOR_MEMORY && catch_up_nap(stream);
        episode_check(stream, queued->fd);
        return 0;
    }
    if (reason == ASK_MEMORY) {
        write->now = ticks_now();
        return drained_write_ask_memory(write);
    }
    if (reason == WAIT_A_MOMENT) {
        long slept = sleep_ns(NS_PER_MS / 4);
        if (stream)
            episode_check(stream, queued->fd);
        /* A signal's handler has run: the kernel's write would say what it has written. */
        return slept == -EINTR && queued->done > 0 ? (ssize_t)queued->done : 0;
    }
    atomic_fetch_add(&drain_state->waiting, 1);
    long result = queued->done > 0
                      ? space_wait(atomic_load(&stream->channel), write->asked)
                      : space_wait_cancellable(atomic_load(&stream->channel), write->asked);
    atomic_fetch_sub(&drain_state->waiting, 1);
    if (result == -EINTR)
        return queued->done > 0 ? (ssize_t)queued->done : -EINTR;
    return 0;
}

/* All queues are some pipe's. What was queued for this one, before its stream was sealed, comes
 * first. */
static ssize_t write_without_stream(struct drained_write *write)
{
    fallback_note(DRAIN_TOO_MANY);
    return streams_are_sent(write->descriptor.device, write->descriptor.inode) &&
                   descriptor_is_free(&write->descriptor)
               ? DRAIN_PASS
               : WAIT_A_MOMENT;
}

/* `found`: the pipe's stream a moment ago, or NULL. */
static ssize_t write_locked(struct drained_write *write, struct stream *found)
{
    for (;;) {
        struct stream *stream = lock_in_order(write, found);
        found = NULL;
        ssize_t result = stream ? write_in_order(stream, write) : write_without_stream(write);
        if (stream)
            stream_lock_release(stream);
        if (result == DRAIN_PASS && write->queued.done > 0)
            return direct_write_rest(write->queued.fd, write->queued.vector, write->count,
                                     write->queued.done);
        if (result >= DRAIN_PASS)
            return result;
        ssize_t ended = wait_between(stream, write, result);
        if (ended == 0)
            ended = drained_write_check(write);
        if (ended != 0)
            return ended;
    }
}

static ssize_t write_any(int fd, const struct iovec *vector, int count, bool ours, long tried)
{
    if (count <= 0 || count > IOV_MAX)
        return DRAIN_PASS;
    struct drained_write write; /* member by member: to clear all of it costs as much as the rest */
    write.queued =
        (struct queued_write){.fd = fd, .vector = vector, .done = tried > 0 ? (uint64_t)tried : 0};
    write.count = count;
    write.asked = 0;
    write.naps = 0;
    write.tries = 0;
    if (!drained_write_measure(&write, ours))
        return DRAIN_PASS;
    struct queued_write *queued = &write.queued;
    struct descriptor *descriptor = &write.descriptor;
    write.at_once = !is_of_a_burst(queued->size);
    queued->spares = !write.at_once;
    bool direct = write.at_once && !drain_is_active();
    /* A direct write fails by itself on what has become non-blocking: it needs no clock. */
    write.now = direct ? TICKS_LONG_AGO : ticks_now();
    descriptor_of(fd, write.now, direct ? UINT64_MAX : TICKS_ABOUT_1_MS, descriptor);
    if (descriptor->kind == DESCRIPTOR_OTHER)
        return DRAIN_PASS;
    if (!descriptor->named && streams_are_sent(descriptor->device, descriptor->inode))
        return DRAIN_PASS;
    if (descriptor->non_blocking)
        return write_non_blocking(descriptor);
    struct stream *stream = direct ? NULL : stream_find(descriptor->device, descriptor->inode);
    direct = descriptor->named && write.at_once && (direct || catch_up_wait(stream, queued->size));
    if (direct && descriptor_is_free(descriptor)) {
        if (tried == DIRECT_NOT_TRIED && count == 1 && descriptor->kind == DESCRIPTOR_PIPE &&
            headroom_begin(fd, queued->size))
            return DRAIN_PASS;
        ssize_t done = write_directly(&write, tried);
        stream = NULL; /* that may have taken a while */
        if (done == (ssize_t)queued->size || (done < 0 && done != -EAGAIN))
            return done;
        queued->done = done > 0 ? (uint64_t)done : 0;
        write.now = ticks_now();
    }
    if (drain_settings.write_behind_mode && drain_settings.grow)
        direct_grow(descriptor);
    ssize_t result = drained_write_ask_memory(&write);
    if (result != 0)
        return result;
    result = write_locked(&write, stream);
    finish_late_write(result);
    return result;
}

ssize_t drain_write(int fd, const struct iovec *vector, int count, bool ours, long tried)
{
    ssize_t result = write_any(fd, vector, count, ours, tried);
    if (tried > 0 && result == DRAIN_PASS)
        return direct_write_rest(fd, vector, count, (uint64_t)tried);
    return tried > 0 && result < 0 ? tried : result;
}
