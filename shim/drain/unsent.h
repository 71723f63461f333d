// SPDX-License-Identifier: MIT
/* What of a stream's queue is not in the pipe yet, what its helper has in its hands included. */
#ifndef PIPESHIM_DRAIN_UNSENT_H
#define PIPESHIM_DRAIN_UNSENT_H

#include "drain/stream.h"

struct unsent {
    uint64_t from, to; /* positions of the records */
    uint32_t begun;    /* payload of the first record that is in the pipe */
    uint32_t taken;    /* PIPESHIM_DRAIN_OVERFLOW=drop-old: payload that only the helper has */
    uint64_t bytes, writes;
};

/* For the holder of the stream's lock, while the stream runs. False: the helper sent something
 * meanwhile, the figures may be wrong. */
bool unsent_measure(struct stream *stream, struct unsent *unsent);

/* Runs on: program threads. AS-safe: yes. Blocks: no. */
#endif
