// SPDX-License-Identifier: MIT
/*
 * The account of one lag of an event loop: how much of it was CPU time and how much waiting for
 * a CPU, as the scheduler tells exactly (schedstat), and what the scans saw it sleep in.
 */
#ifndef PIPESHIM_WATCH_LAG_ACCOUNT_H
#define PIPESHIM_WATCH_LAG_ACCOUNT_H

#include <stdint.h>

#include "facts/calls.h"
#include "facts/lag_facts.h"

#define LAG_UNKNOWN UINT64_MAX

struct lag_account {
    uint64_t since_ns;    /* CLOCK_MONOTONIC: the loop was away then */
    uint64_t scanned_ns;  /* the last scan */
    uint64_t run_ns;      /* CPU time when it began; 0: its clock cannot be read */
    uint64_t delay_ns;    /* time in the run queue when the next scan asked; or LAG_UNKNOWN */
    uint64_t last_run_ns; /* both when last asked for */
    uint64_t last_delay_ns;
    uint64_t seen_ns[CLASS_COUNT]; /* of the scans that found it asleep, by what it slept in */
    uint64_t seen_running_ns;      /* and that found it running, or ready to */
    struct lag_call calls[LAG_CALL_LIMIT]; /* the slowest first */
};

/* Thread `tid` is away since `since`; this is the first scan that finds it so. Opens nothing. */
void lag_account_begin(struct lag_account *account, int tid, uint64_t since, uint64_t now);

/* A scan found it running, or asleep in the call `name`: what has passed since the last scan is
 * counted so. */
void lag_account_running(struct lag_account *account, uint64_t now);
void lag_account_call(struct lag_account *account, const char *name, enum call_class class,
                      uint64_t now);

/* A call of this lag has lasted since `since`: so the lag has, too, though the scan that saw the
 * call begin still found the loop in its wait and the next one came late. */
void lag_account_includes(struct lag_account *account, uint64_t since);

/* Asks the scheduler: from then on it knows how long the thread waited for a CPU, and at the end
 * what was, if the thread is gone by then. */
void lag_account_schedule(struct lag_account *account, int tid);

/* The account as it is reported. */
void lag_account_facts(struct lag_account *account, int tid, uint64_t now, struct lag_facts *facts);

/* A lag of `length` ns in the statistics of its loop. */
void lag_account_count(struct loop_statistics *statistics, uint64_t length);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
