// SPDX-License-Identifier: MIT
/*
 * The writers' side of a stream's queue. For the holder of its lock. Nothing here waits for a
 * reader.
 *
 * `drain_state->queued` is the sum of all queues. What the helpers have taken is counted off by the
 * writers: at each write where the figure must be exact, else when the bound seems near, for the
 * helper's cache line comes from another core.
 */
#ifndef PIPESHIM_DRAIN_QUEUE_H
#define PIPESHIM_DRAIN_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "drain/options.h"
#include "drain/stream.h"

/* What became of a write. */
enum queue_outcome {
    QUEUE_DONE,         /* all of it is queued, or dropped */
    QUEUE_FULL,         /* at the bound: release the lock, wait (see `asked`), and try again */
    QUEUE_ELSEWHERE,    /* the stream takes nothing more: try again with another */
    QUEUE_NO_SPACE,     /* nothing of this pipe's is queued: other pipes' queues are at the bound */
    QUEUE_UNREADABLE,   /* `vector` cannot be read any more: ask again how much of it can */
    QUEUE_SPARED,       /* it would take memory made anew: wait for a quick reader first */
    QUEUE_NOT_POSSIBLE, /* no helper, or no memory, is to be had; nothing more of it is queued */
};

/* A write, as far as it has come. */
struct queued_write {
    int fd;
    const struct iovec *vector; /* which can be read */
    uint64_t size;
    uint64_t done;    /* of which so many bytes are queued, or in the pipe */
    uint32_t version; /* mapping_version() before it was asked whether it can */
    bool spares;      /* QUEUE_SPARED rather than that */
    bool uncounted; /* somebody was inside another queue: there may be more space than was found */
};

/* Queues the rest as one write, and moves `done`; drops whole writes where PIPESHIM_DRAIN_MAX is
 * reached and the policy says so. A write that has begun (`done` was not 0) is never dropped.
 * `*asked`: for space_wait(). */
enum queue_outcome queue_write(struct stream *stream, struct queued_write *write,
                               enum drain_overflow overflow, uint32_t *asked);

/* Runs on: program threads. AS-safe: yes. Blocks: no (a helper's start takes about 0.2 ms). */
#endif
