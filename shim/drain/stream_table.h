// SPDX-License-Identifier: MIT
/* Which stream is of which pipe. */
#ifndef PIPESHIM_DRAIN_STREAM_TABLE_H
#define PIPESHIM_DRAIN_STREAM_TABLE_H

#include "drain/stream.h"

/* The stream of a pipe that takes writes, or NULL. It may be given to another pipe at any time
 * unless its lock is held or something is queued in it. */
struct stream *stream_find(uint64_t device, uint64_t inode);

/* The same, made if there is none; its lock is taken. One whose lock is not to be had is sealed,
 * and another made. NULL: none is free. */
struct stream *stream_find_locked(uint64_t device, uint64_t inode);

/* True if all that this process queued for the pipe has been sent. */
bool streams_are_sent(uint64_t device, uint64_t inode);

/* True if another stream of the pipe, sealed, is not sent yet. */
bool streams_wait_for_older(const struct stream *stream);

/* Runs on: program threads. AS-safe: yes. Blocks: a quarter of a second at most. */
#endif
