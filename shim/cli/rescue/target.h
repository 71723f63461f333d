// SPDX-License-Identifier: MIT
/* The full pipe that a process is stuck on, and the proof that it is. */
#ifndef PIPESHIM_CLI_RESCUE_TARGET_H
#define PIPESHIM_CLI_RESCUE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/object_facts.h"

struct rescue_target {
    int writer, fd;        /* who is stuck, and its descriptor */
    int writer_tid;        /* the thread */
    int reader, reader_fd; /* who should read; 0, -1: not known */
    bool proven;           /* a finding names it; else --force was given */
    bool socket;           /* a socketpair: it cannot be opened, only asked and set */
    char object[OBJECT_NAME_LIMIT];
    char writer_name[64], reader_name[64];
    char words[1024]; /* the finding's sentence */
};

enum rescue_found {
    RESCUE_FOUND,
    RESCUE_NOT_STUCK,  /* nothing proves it */
    RESCUE_NOT_PROVEN, /* it waits for space, and not all that a proof takes may be read */
    RESCUE_NO_PROCESS,
    RESCUE_NOT_READABLE,
};

/* Diagnoses `pid` (two scans, some 150 ms) and takes from what is found the write that waits for
 * space: of `pid` itself, or of whom it waits for. `fd` -1: any. RESCUE_NOT_PROVEN: `words` say
 * what may not be read, `fd` where it waits (-1: not known). */
enum rescue_found rescue_target_find(int pid, int fd, struct rescue_target *target);

/* What `--force` takes without a proof: descriptor `fd` of `pid`. False: no pipe, FIFO or socket.
 */
bool rescue_target_assume(int pid, int fd, struct rescue_target *target);

/* Is the writer's pipe still full, or its write still waiting? Yes also if that may not be asked.
 * -1: it has ended, or closed it. */
int rescue_target_is_stuck(const struct rescue_target *target);

/* The writer's descriptor, for the caller to close, or -errno: a duplicate, which takes the right
 * to trace (and Linux 5.6); of a pipe, where that is refused, a writing end of our own, which takes
 * the right to look at its files. */
int rescue_target_open(const struct rescue_target *target);

/* Runs on: tool. AS-safe: no. Blocks: some 150 ms. */
#endif
