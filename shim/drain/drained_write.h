// SPDX-License-Identifier: MIT
/* What is known of a write of the program, and what has to be asked again while it waits: its
 * length, how much of its memory can be read, and what its descriptor is by now. */
#ifndef PIPESHIM_DRAIN_DRAINED_WRITE_H
#define PIPESHIM_DRAIN_DRAINED_WRITE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "drain/descriptor.h"
#include "drain/queue.h"

struct drained_write {
    struct queued_write queued;
    int count; /* of the vector */
    struct descriptor descriptor;
    uint64_t now; /* ticks */
    bool at_once; /* tried directly before it is queued */
    uint32_t asked;
    unsigned naps;  /* for memory that a quick reader leaves */
    unsigned tries; /* for space that other queues may have left meanwhile */
};

/* The length of the vector, whose memory may be anything unless it is `ours`. False: 0, or the
 * kernel is to say what is wrong with it. */
bool drained_write_measure(struct drained_write *write, bool ours);

/* How much of the memory can be read: the rest is not written, as by the kernel, which copies page
 * by page. 0, or the result of the write. */
ssize_t drained_write_ask_memory(struct drained_write *write);

enum sameness { DESCRIPTOR_SAME, DESCRIPTOR_MADE_NON_BLOCKING, DESCRIPTOR_IS_ANOTHER };

/* What became of the descriptor since it was asked: another process may make it non-blocking,
 * another thread close it. */
enum sameness drained_write_look_again(struct drained_write *write);

/* The same after a wait: 0 if it is what it was, else the result of the write. */
ssize_t drained_write_check(struct drained_write *write);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
