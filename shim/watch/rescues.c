// SPDX-License-Identifier: MIT
#include "watch/rescues.h"

#include <string.h>

#include "base/clock.h"
#include "base/text_buffer.h"
#include "kernel/process_name.h"
#include "process/life.h"
#include "watch/context.h"
#include "watch/members.h"

enum { PIPES = 16 };

struct watched_pipe {
    uint32_t stream;  /* its index + 1; 0: free */
    uint64_t inode;   /* whose; a stream may get another pipe */
    uint64_t last_ns; /* the last scan */
    bool reader_read; /* who should read is known as well as it will be */
    struct drain_rescue rescue;
};
static struct watched_pipe pipes[PIPES];
static struct wait_finding one; /* a chain of one link; child: scratch */

void rescues_begin_in_child(void)
{
    for (unsigned i = 0; i < PIPES && pipes[i].stream != 0; i++)
        pipes[i].stream = 0;
}

/* Where there is no place left one goes of which there will be nothing to say. */
static bool may_go(const struct watched_pipe *pipe)
{
    return pipe->stream == 0 || (pipe->rescue.hung_ns < context_threshold_ns(CLASS_PIPE_WRITE) &&
                                 stream_is_sent(&drain_state->streams[pipe->stream - 1]));
}

static struct watched_pipe *find(uint32_t index, uint64_t inode)
{
    struct watched_pipe *place = NULL;
    for (unsigned i = 0; i < PIPES; i++) {
        struct watched_pipe *pipe = &pipes[i];
        if (pipe->stream == index + 1 && pipe->inode == inode)
            return pipe;
        if (!place && may_go(pipe))
            place = pipe;
        if (pipe->stream == 0)
            break;
    }
    if (!place)
        return NULL;
    memset(place, 0, sizeof *place);
    place->stream = index + 1;
    place->inode = inode;
    return place;
}

static void copy_text(char *to, size_t capacity, const char *from)
{
    struct text_buffer text;
    text_init(&text, to, capacity);
    text_string(&text, from);
}

static void take_object(struct drain_rescue *rescue, const struct object_facts *object)
{
    int self = atomic_load(&life->pid);
    copy_text(rescue->object, sizeof rescue->object, object->name);
    for (unsigned i = 0; i < object->pipe.peer_count && i < PEER_LIMIT; i++)
        if (object->pipe.peers[i].pid != self && rescue->reader.pid == 0)
            rescue->reader = object->pipe.peers[i];
}

/* Where the reader stands, once it is clear that it does not read. */
static void read_reader(struct watched_pipe *pipe)
{
    struct drain_rescue *rescue = &pipe->rescue;
    pipe->reader_read = true;
    if (rescue->reader.pid == 0)
        return;
    process_name(rescue->reader.pid, rescue->reader.comm, rescue->reader_name);
    memset(&one, 0, sizeof one);
    one.count = 1;
    one.chain[0].pid = one.chain[0].tid = rescue->reader.pid;
    one.chain[0].runtime = process_runtime(rescue->reader.pid);
    const struct member *member = members_read(&one);
    if (member)
        copy_text(rescue->where, sizeof rescue->where, member->where);
}

/* What the stream has cost until now. */
static void take_figures(struct stream *stream, struct drain_rescue *rescue)
{
    struct channel *channel = atomic_load(&stream->channel);
    bool runs = atomic_load(&stream->running);
    uint64_t peak = runs ? atomic_load(&channel->peak) : atomic_load(&stream->episode_peak);
    uint64_t queued = runs ? channel_head(channel) - atomic_load(&channel->tail) : 0;
    if (peak < queued && queued < INT64_MAX)
        peak = queued;
    if (rescue->peak_bytes < peak)
        rescue->peak_bytes = peak;
    rescue->fd = atomic_load(&stream->fd);
    rescue->lost_bytes = atomic_load(&stream->lost) + (runs ? atomic_load(&channel->lost) : 0);
    rescue->handed_over_bytes = atomic_load(&stream->handed_over);
    rescue->spooled_bytes = atomic_load(&stream->spooled);
    rescue->to_the_end = !stream_is_sent(stream) || rescue->spooled_bytes > 0;
}

void rescues_note(uint32_t index, uint64_t now, uint64_t standing_ns,
                  const struct object_facts *object, bool last)
{
    struct stream *stream = &drain_state->streams[index];
    uint32_t episode = atomic_load(&stream->episode);
    struct watched_pipe *pipe = episode ? find(index, atomic_load(&stream->inode)) : NULL;
    if (!pipe)
        return;
    if (standing_ns > 0 && pipe->last_ns != 0) {
        uint64_t passed = now - pipe->last_ns;
        pipe->rescue.hung_ns += passed < standing_ns ? passed : standing_ns;
    }
    pipe->last_ns = now;
    take_figures(stream, &pipe->rescue);
    if (object)
        take_object(&pipe->rescue, object);
    if (!pipe->reader_read && pipe->rescue.object[0] && !last &&
        standing_ns >= context_threshold_ns(CLASS_PIPE_WRITE))
        read_reader(pipe);
}

unsigned rescues_of_summary(struct drain_rescue *out, unsigned limit)
{
    uint64_t least = context_threshold_ns(CLASS_PIPE_WRITE);
    unsigned count = 0;
    for (unsigned i = 0; i < PIPES && pipes[i].stream != 0; i++) {
        struct drain_rescue *rescue = &pipes[i].rescue;
        if (rescue->hung_ns < least)
            continue;
        struct stream *stream = &drain_state->streams[pipes[i].stream - 1];
        if (atomic_load(&stream->inode) == pipes[i].inode)
            take_figures(stream, rescue);
        unsigned at = count < limit ? count++ : limit;
        for (; at > 0 && out[at - 1].hung_ns < rescue->hung_ns; at--)
            if (at < limit)
                out[at] = out[at - 1];
        if (at < limit)
            out[at] = *rescue;
    }
    return count;
}
