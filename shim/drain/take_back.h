// SPDX-License-Identifier: MIT
/*
 * What is queued for a pipe goes to a file instead, and the helper lets the pipe go.
 *
 * The helper is asked, and ends between two writes as if it had been killed: then `sent` and
 * `begun` of its channel say exactly which bytes are in the pipe. All the rest is in the file by
 * then: a file system without room must not cost a byte.
 */
#ifndef PIPESHIM_DRAIN_TAKE_BACK_H
#define PIPESHIM_DRAIN_TAKE_BACK_H

#include "drain/stream.h"

struct taken_back {
    uint64_t offset; /* in the file, where it begins */
    uint64_t bytes, writes;
};

/* Appends what is queued to `file`, a descriptor, and ends the episode. 0: it is there, or nothing
 * was left of it (`bytes` 0). Else -errno: the file is as it was, and the helper goes on:
 * -ETIMEDOUT if it did not hear, or the lock is not to be had. Waits for the file system, and for
 * the helper half a second at most. */
long take_back(struct stream *stream, int file, struct taken_back *taken);

/* Runs on: the program thread that exits. AS-safe: yes. Blocks: see above. */
#endif
