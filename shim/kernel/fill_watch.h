// SPDX-License-Identifier: MIT
/*
 * Pipes that are about to be full: how fast they fill, and when the writer will block.
 *
 * The program's own threads pay nothing: the scans are made by another thread, through /proc and
 * borrowed descriptors. A scan sees only how much is in a pipe; that its reader makes no progress
 * is concluded from several scans in a row in which it was not empty and its content never shrank.
 */
#ifndef PIPESHIM_KERNEL_FILL_WATCH_H
#define PIPESHIM_KERNEL_FILL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/fd_scan.h"

enum {
    FILL_WATCH_LIMIT = 64, /* pipes of one process that are watched */
    FILL_SCANS = 4,        /* scans without reader progress that make a warning */
};

struct fill_sample {
    int64_t used, capacity; /* bytes */
    uint64_t time_ns;       /* of any monotonic clock */
};

struct fill_forecast {
    int64_t bytes_per_s;
    /* Until the capacity is reached. At the latest: small writes may use up the slots before. */
    int64_t full_in_ms;
};

/* From two samples of one pipe: true when it grew, with the rate and the time left. Pure. */
bool fill_forecast(const struct fill_sample *before, const struct fill_sample *now,
                   struct fill_forecast *forecast);

/* What is remembered of one pipe; all zeroes is the start. */
struct fill_history {
    struct object_key key;
    int fd;
    unsigned scans; /* since the reader was last seen to make progress */
    bool warned;    /* one warning until the reader makes progress again */
    bool seen;      /* scratch of fill_watch_scan */
    struct fill_sample first, last;
};

/* Adds a sample. True when it is to be reported now: at or beyond `warn_percent` of the capacity
 * and growing, with no reader progress in FILL_SCANS looks, and not reported yet. An empty pipe is
 * one that was read: a writer that puts in much at once (bzip2) fills no pipe that is emptied each
 * time. Pure. */
bool fill_history_add(struct fill_history *history, const struct fill_sample *now,
                      unsigned warn_percent, struct fill_forecast *forecast);

/* The reader was seen to make progress, or to wait for more: what was seen before counts no more.
 */
void fill_history_forget(struct fill_history *history);

struct fill_watch {
    struct fill_history pipes[FILL_WATCH_LIMIT];
    unsigned count;
};

/* False: the reader is at it after all, start anew. */
typedef bool (*fill_report)(void *context, const struct fill_history *pipe,
                            const struct fill_forecast *forecast);

/* One look at all pipes and FIFOs that the process can write to; calls `report` for each that is to
 * be reported now. `watch` starts as zeroes and belongs to the caller. About 3 µs a descriptor and
 * 5 more a pipe; async-signal-safe. A pipe may be full already: see borrowed_pipe_fill() for why
 * this does not ask. Returns 0, or -errno when the descriptors may not be read. */
long fill_watch_scan(struct fill_watch *watch, int pid, unsigned warn_percent, uint64_t now_ns,
                     fill_report report, void *context);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
