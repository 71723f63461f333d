// SPDX-License-Identifier: MIT
/*
 * What the helper takes out of the queue. What it has taken is in its hands (`in_flight`): it
 * cannot be dropped any more. Nonsense in the channel ends the process: a writer has gone mad, or
 * is an enemy, and another helper goes on if it is neither.
 */
#ifndef PIPESHIM_DRAIN_HELPER_QUEUE_H
#define PIPESHIM_DRAIN_HELPER_QUEUE_H

#include <stdint.h>
#include <sys/uio.h>

#include "drain/channel.h"

/* The queue is that of channel `of`, whose chunks lie at `chunks_of`. First of all. */
void helper_queue_begin(struct channel *of, char *chunks_of);

/* Takes whole records: one, or as many as fit into PIPE_BUF. Returns their bytes, 0 when nothing is
 * there or writers dropped it meanwhile. `*taken`, `*count` parts, is where they lie. */
uint32_t helper_queue_take(struct iovec **taken, unsigned *count);

/* The reader has gone: all that is queued is lost. */
void helper_queue_discard(void);

/* Runs on: helper. AS-safe: yes. Blocks: no. */
#endif
