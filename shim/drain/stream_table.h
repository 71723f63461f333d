// SPDX-License-Identifier: MIT
/* Which stream is of which pipe. */
#ifndef PIPESHIM_DRAIN_STREAM_TABLE_H
#define PIPESHIM_DRAIN_STREAM_TABLE_H

#include "drain/stream.h"

/* True if it is, or was last, of that pipe, and is not sealed. */
static inline bool stream_takes_writes_of(struct stream *stream, uint64_t device, uint64_t inode)
{
    return stream_is_of(stream, device, inode) &&
           !atomic_load_explicit(&stream->sealed, memory_order_relaxed);
}

/* The stream of a pipe that takes writes, or NULL. It may be given to another pipe at any time
 * unless its lock is held or something is queued in it. stream_search() looks at all, and leaves a
 * hint. */
struct stream *stream_search(uint64_t device, uint64_t inode);
static inline struct stream *stream_find(uint64_t device, uint64_t inode)
{
    unsigned at =
        atomic_load_explicit(&drain_state->hint[inode % STREAM_LIMIT], memory_order_relaxed);
    struct stream *hinted = &drain_state->streams[at < STREAM_LIMIT ? at : 0];
    if (at < atomic_load(&drain_state->known) && stream_takes_writes_of(hinted, device, inode))
        return hinted;
    return stream_search(device, inode);
}

/* The same, made if there is none; its lock is taken. One whose lock is not to be had is sealed,
 * and another made. `found`: what stream_find() said a moment ago. NULL: none is free. */
struct stream *stream_find_locked(uint64_t device, uint64_t inode, struct stream *found);

/* True if all that this process queued for the pipe has been sent. */
bool streams_are_sent(uint64_t device, uint64_t inode);

/* True if another stream of the pipe, sealed, is not sent yet. */
bool streams_wait_for_older(const struct stream *stream);

/* Runs on: program threads. AS-safe: yes. Blocks: a quarter of a second at most. */
#endif
