// SPDX-License-Identifier: MIT
/* The writers' side of a stream's queue. For the holder of its lock; async-signal-safe. */
#ifndef PIPESHIM_DRAIN_QUEUE_H
#define PIPESHIM_DRAIN_QUEUE_H

#include <stdint.h>
#include <sys/uio.h>

#include "drain/drain.h"
#include "drain/stream.h"

/* Why writes were made as usual although they were to be drained; see drain_fallbacks(). */
void queue_note_fallback(unsigned fallback);

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

/* Counts a write of so many bytes as dropped. */
void queue_drop(uint64_t bytes);

/* Of this process. */
struct queue_totals {
    _Atomic uint64_t episodes, peak_bytes, dropped_bytes, dropped_writes;
    _Atomic uint64_t queued_bytes[STREAM_LIMIT]; /* each under its stream's lock */
};
extern struct queue_totals queue_totals;

#endif
