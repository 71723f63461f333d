// SPDX-License-Identifier: MIT
/* What this process's drainer has done, and what went wrong. Any thread; async-signal-safe. */
#ifndef PIPESHIM_DRAIN_TOTALS_H
#define PIPESHIM_DRAIN_TOTALS_H

#include <stdatomic.h>
#include <stdint.h>

#include "drain/stream.h"

/* Of this process. */
struct queue_totals {
    _Atomic uint64_t episodes, peak_bytes, dropped_bytes, dropped_writes;
    _Atomic uint64_t queued_bytes[STREAM_LIMIT]; /* each under its stream's lock */
};
extern struct queue_totals queue_totals;

/* Counts a write of so many bytes as dropped. */
void totals_drop(uint64_t bytes);

/* A forked child begins at zero. */
void totals_begin_in_child(void);

#endif
