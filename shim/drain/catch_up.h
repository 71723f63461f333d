// SPDX-License-Identifier: MIT
/*
 * A writer that is faster than its reader, which reads. Once something is queued it would never
 * write directly again, and each byte would be copied twice: so it waits, about a millisecond for
 * each pipeful that it writes, while the reader takes quickly what is queued, as it would have
 * waited for it without us.
 */
#ifndef PIPESHIM_DRAIN_CATCH_UP_H
#define PIPESHIM_DRAIN_CATCH_UP_H

#include "drain/stream.h"

/* Before a write of so many bytes to the stream's pipe; NULL: it has none. True: nothing is queued
 * in the process any more. No lock is held. */
bool catch_up_wait(struct stream *stream, uint64_t size);

/* For a write of a burst for which the queue would need memory made anew: that costs more than to
 * wait until a quick reader has left some of it. A nap; false: the reader is not quick. No lock is
 * held. */
bool catch_up_nap(struct stream *stream);

/* Runs on: program threads. AS-safe: yes. Blocks: a millisecond for each pipeful of the write. */
#endif
