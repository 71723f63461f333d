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

/* Queues the vector from offset `done` on, as one write; waits, or drops whole writes, where
 * PIPESHIM_DRAIN_MAX is reached. Returns the bytes of the vector that are taken care of: all, or
 * what a plain write could do where no helper or memory is to be had, or -errno of that. */
long queue_write(struct stream *stream, int fd, const struct iovec *vector, int count,
                 uint64_t done, enum drain_overflow overflow);

/* Of this process. */
struct queue_totals {
    _Atomic uint64_t episodes, peak_bytes, dropped_bytes, dropped_writes;
    _Atomic uint64_t queued_bytes[STREAM_LIMIT]; /* each under its stream's lock */
};
extern struct queue_totals queue_totals;

#endif
