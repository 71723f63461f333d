// SPDX-License-Identifier: MIT
/* The writers' side of a stream's queue. For the holder of its lock; async-signal-safe. */
#ifndef PIPESHIM_DRAIN_QUEUE_H
#define PIPESHIM_DRAIN_QUEUE_H

#include <stdint.h>
#include <sys/uio.h>

#include "drain/options.h"
#include "drain/stream.h"

/* What became of a write. */
enum queue_outcome {
    QUEUE_DONE,        /* all of it is queued, or dropped */
    QUEUE_FULL,        /* at the bound: nothing of it is queued; wait, see `asked`, and try again */
    QUEUE_INTERRUPTED, /* a part of it is queued, and a signal handler has interrupted the wait */
    QUEUE_NO_ROOM,     /* nothing of this pipe's is queued: other pipes' queues are at the bound */
    QUEUE_NOT_POSSIBLE, /* nothing is queued: no helper, or no memory, is to be had */
};

/* Queues the vector from offset `*done` on, as one write, and moves `*done`; waits, or drops whole
 * writes, where PIPESHIM_DRAIN_MAX is reached. A write that has begun (`*done` was not 0) is never
 * dropped. After one of the last two outcomes a direct write is in order. `*asked`: for
 * room_wait(). */
enum queue_outcome queue_write(struct stream *stream, int fd, const struct iovec *vector, int count,
                               uint64_t *done, enum drain_overflow overflow, uint32_t *asked);

#endif
