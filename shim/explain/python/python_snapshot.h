// SPDX-License-Identifier: MIT
/*
 * Frames of a thread that runs meanwhile: copies of a chain that was walked before, which show
 * what of it is still there. Used by python_running.c only.
 */
#ifndef PIPESHIM_EXPLAIN_PYTHON_PYTHON_SNAPSHOT_H
#define PIPESHIM_EXPLAIN_PYTHON_PYTHON_SNAPSHOT_H

#include "explain/python/python_walk.h"

enum {
    SNAPSHOT_FRAMES = 40,
    SNAPSHOT_SIZE = 8192, /* bytes of one copy */
};

/* A part of memory that holds one or more frames. Since 3.11 frames lie one after the other, the
 * outer ones lower, and copying a stack whole takes less than one Python call. */
struct region {
    uintptr_t start, end;
    size_t offset; /* of its copy, in both buffers */
};

struct snapshot {
    unsigned frames, regions;
    struct region region[SNAPSHOT_FRAMES]; /* the innermost frame's first */
    uint8_t frame_region[SNAPSHOT_FRAMES]; /* the region of each frame */
    uintptr_t innermost;
    unsigned char outside_in[SNAPSHOT_SIZE], inside_out[SNAPSHOT_SIZE];
};

/* Plans what is copied: the innermost frames, as many as fit. */
void python_snapshot_plan(const struct walker *walker, const struct python_frame *frames,
                          unsigned count, struct snapshot *snapshot);

/* Copies them twice, in one system call. False: it could not, or took too long to prove much. */
bool python_snapshot_take(const struct walker *walker, const struct thread_position *position,
                          struct snapshot *snapshot);

/* Sets `unproven` to how many of the innermost frames[] the snapshot does not prove: what is
 * further out has the same code, link and instruction in both copies as in frames[]. Of the first
 * snapshot (not `repeated`) the instructions are taken over. True if the thread was in one of the
 * frames that are still linked; `unproven` is then not less than that frame's index. False: it was
 * in another frame. Those of frames[] may be its callers, or memory that was left behind and looks
 * the same. */
bool python_snapshot_unproven(const struct walker *walker, const struct snapshot *snapshot,
                              bool repeated, struct python_frame *frames, unsigned *unproven);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
