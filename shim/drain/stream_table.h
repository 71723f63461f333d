// SPDX-License-Identifier: MIT
/* Which stream is of which pipe. Async-signal-safe. */
#ifndef PIPESHIM_DRAIN_STREAM_TABLE_H
#define PIPESHIM_DRAIN_STREAM_TABLE_H

#include "drain/stream.h"

/* The stream of a pipe that takes writes, or NULL. Another process may give it to another pipe at
 * any time unless its lock is held or something is queued in it. */
struct stream *stream_find(uint64_t device, uint64_t inode);

/* The same, made if there is none; its lock is taken. NULL: none is free (`*full` is set then), or
 * a signal handler interrupted the holder of the lock. */
struct stream *stream_lock(uint64_t device, uint64_t inode, bool *full);

/* True if all that was queued for the pipe by those who share this memory has been sent. */
bool streams_are_sent(uint64_t device, uint64_t inode);

/* Closes the stream, whose lock is held, for writers: the next one finds, or makes, another. False:
 * too few are left. */
bool stream_seal(struct stream *stream);

#endif
