// SPDX-License-Identifier: MIT
/*
 * Pipes that are about to be full: how fast they fill, and when the writer will block.
 *
 * The program's own threads pay nothing: the looks are made by another thread, through /proc and
 * borrowed descriptors. A look sees only how much is in a pipe. That it fills, and is not just
 * busy, is concluded from many looks in a row in which its content grew and never shrank: at first
 * some hundred milliseconds apart, and when it is suspected soon and at growing distances, so that
 * a reader is met that takes something each 100 us as well as one that does so each 100 ms.
 */
#ifndef PIPESHIM_KERNEL_FILL_WATCH_H
#define PIPESHIM_KERNEL_FILL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/fd_scan.h"

enum {
    FILL_WATCH_LIMIT = 64,  /* pipes of one process that are watched */
    FILL_RISES = 3,         /* so often it was seen to grow, and never to shrink: a suspicion */
    FILL_CONFIRMATIONS = 6, /* looks 1, 2, 4 ... 32 ms apart that must not see it shrink either */
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
    bool begun;             /* `first` and `last` are there */
    bool fell;              /* it held less at the last look than at the one before */
    bool warned;            /* one warning until the reader makes progress again */
    bool seen;              /* scratch of fill_watch_find */
    unsigned rises;         /* looks that found more than the one before, since `first` */
    unsigned confirmations; /* looks since it was suspected */
    uint64_t next_ns;       /* the next look, on the clock of the samples */
    struct fill_sample first, last;
};

/* Adds a sample. True when it is to be reported now: at or beyond `warn_percent` of the capacity,
 * grown FILL_RISES times by a thirty-second of the capacity in all (or very often), not shrunk
 * since nor in FILL_CONFIRMATIONS looks more, and not reported yet. An empty pipe is one that was
 * read: a writer that puts in much at once (bzip2) fills no pipe that is emptied each time. Pure.
 */
bool fill_history_add(struct fill_history *history, const struct fill_sample *now,
                      unsigned warn_percent, struct fill_forecast *forecast);

/* How long after its last sample it should be looked at again, ns. Pure. */
uint64_t fill_history_pause_ns(const struct fill_history *history);

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

/* Which pipes and FIFOs the process can write to; those that it has closed are forgotten. `watch`
 * starts as zeroes and belongs to the caller. About 3 us a descriptor; async-signal-safe. Returns
 * 0, or -errno when the descriptors may not be read. */
long fill_watch_find(struct fill_watch *watch, int pid);

/* When the next look is due, of all pipes that were found; UINT64_MAX: there is none. Pure. */
uint64_t fill_watch_next(const struct fill_watch *watch);

/* Looks at the pipes that are due at `now_ns`; calls `report` for each that is to be reported now.
 * About 10 us a pipe; async-signal-safe. A pipe may be full already: see borrowed_pipe_fill() for
 * why this does not ask. */
void fill_watch_look(struct fill_watch *watch, int pid, unsigned warn_percent, uint64_t now_ns,
                     fill_report report, void *context);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
