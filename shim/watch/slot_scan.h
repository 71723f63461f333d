// SPDX-License-Identifier: MIT
/*
 * One scan over the slots: those that have moved since the last one are timed anew, those that have
 * not are judged once their call is due, and what was reported ends when its slot moves, or the
 * kernel shows the thread elsewhere.
 */
#ifndef PIPESHIM_WATCH_SLOT_SCAN_H
#define PIPESHIM_WATCH_SLOT_SCAN_H

#include <stdbool.h>
#include <stdint.h>

/* What one scan found; times are CLOCK_MONOTONIC, in ns. */
struct scan {
    uint64_t now;
    uint64_t next; /* look again at this time at the latest */
    bool activity; /* a slot moved, or waits for its judgement */
    bool stuck;    /* a report on a call is open */
    unsigned looks;
    uint64_t interval; /* until the next one, if the program goes on, */
    uint64_t closest;  /* and if something is to be followed closely */
};

static inline void scan_again_at(struct scan *scan, uint64_t when)
{
    if (when < scan->next)
        scan->next = when;
}

/* `scan` begins with `now`, `next`, `interval` and `closest`. `disarmed`: the slots are, and were
 * so at the scan before this one: those that rested then have not moved. */
void slot_scan(struct scan *scan, bool disarmed);

/* Runs on: watchdog. AS-safe: yes. Blocks: as long as the file systems of symbol files do. */
#endif
