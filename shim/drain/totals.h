// SPDX-License-Identifier: MIT
/* What this process's drainer has done. */
#ifndef PIPESHIM_DRAIN_TOTALS_H
#define PIPESHIM_DRAIN_TOTALS_H

#include <stdatomic.h>
#include <stdint.h>

/* Of this process. */
struct queue_totals {
    _Atomic uint64_t episodes, peak_bytes, dropped_bytes, dropped_writes;
    _Atomic uint64_t spooled_bytes; /* in PIPESHIM_DRAIN_SPOOL */
};
extern struct queue_totals queue_totals;

/* Counts a write of so many bytes as dropped. */
void totals_drop(uint64_t bytes);

/* A forked child begins at zero. */
void totals_begin_in_child(void);

/* So many were queued for one pipe at once. */
void totals_note_peak(uint64_t bytes);

/* Runs on: any thread. AS-safe: yes. Blocks: no. */
#endif
