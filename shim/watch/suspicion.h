// SPDX-License-Identifier: MIT
/*
 * What a scan of all processes found and one scan does not prove: it is kept until another one
 * finds the same, unmoved.
 */
#ifndef PIPESHIM_WATCH_SUSPICION_H
#define PIPESHIM_WATCH_SUSPICION_H

#include <stdbool.h>
#include <stdint.h>

#include "graph/finding.h"

/* Forgets it: the watchdog begins, a forked child, or it has been reported. */
void suspicion_begin(void);

/* Whether `finding`, of a scan at `now`, is what was suspected, and holds. Counts the rounds of a
 * backlog. */
bool suspicion_confirmed(struct wait_finding *finding, uint64_t now);

/* A program that comes round to a full pipe (Node, by its timers) may be in a deadlock, or keep a
 * backlog and go on for ever. Only its memory tells: true while it may be the backlog of that
 * deadlock's member, of which a scan has found both; once that has not grown for some rounds, which
 * are counted in `deadlock`, it is false. */
bool suspicion_of_backlog(struct wait_finding *deadlock, const struct wait_finding *backlog,
                          bool backlog_is_reported);

/* Keeps what a scan at `now` found (NULL: nothing), if it was not confirmed. */
void suspicion_keep(const struct wait_finding *finding, bool confirmed, uint64_t now);

/* When the first scan of those in a row was that found what was suspected last. */
uint64_t suspicion_since(void);

/* When the scan that may confirm it is due (CLOCK_MONOTONIC, ns); UINT64_MAX: none is. What is
 * suspected is scanned again soon, and once; a backlog as long as it grows, and a reader as long as
 * it computes, or stands still in a write of its own. */
uint64_t suspicion_due(void);

/* Something that comes round must be seen to have come round: Bun wakes each 999 ms. */
#define SUSPICION_ROUND_NS ((uint64_t)1100 * 1000 * 1000)

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
