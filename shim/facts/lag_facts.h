// SPDX-License-Identifier: MIT
/* How long an event loop has been away from its wait, and where the time went. Plain data: watch/
 * fills it, report/ prints it. */
#ifndef PIPESHIM_FACTS_LAG_FACTS_H
#define PIPESHIM_FACTS_LAG_FACTS_H

#include <stdint.h>

#include "facts/calls.h"
#include "facts/object_facts.h"

enum {
    CAUSE_STARVED = CLASS_COUNT, /* ready to run, and no CPU was given to it */
    CAUSE_COUNT,
    LAG_CALL_LIMIT = 4,
    LAG_CALL_NAME_LIMIT = 32,
    LAG_BUCKETS = 24, /* powers of two of a millisecond: less than 1, 2, 4, … */
    LAG_LOOP_LIMIT = 8,
};

struct lag_call {
    char name[LAG_CALL_NAME_LIMIT];
    enum call_class class;
    uint64_t ns;
};

struct lag_facts {
    uint64_t lag_ns;
    uint64_t threshold_ns;
    unsigned cause;                 /* the largest share: a class, or CAUSE_STARVED */
    uint64_t share_ns[CAUSE_COUNT]; /* by class; they add up to lag_ns */
    unsigned call_count;
    struct lag_call calls[LAG_CALL_LIMIT]; /* the slowest first */
};

/* A loop that is away, and an event tells of it: `lag`, or `blocked` of the call that holds it. */
struct lag_absence {
    int tid;
    uint64_t since_ns; /* CLOCK_MONOTONIC */
    uint64_t seq;      /* of the event; 0: held back */
};

/* What the summary says of one loop. */
struct loop_statistics {
    int tid; /* 0: none */
    char thread[COMM_LIMIT];
    uint64_t iterations;   /* how often it came back to its wait */
    uint64_t lags;         /* lags beyond the threshold */
    uint64_t lag_max_ns;   /* the longest lag */
    uint64_t lag_total_ns; /* all lags together */
    uint64_t
        lag_histogram[LAG_BUCKETS]; /* by length; those that fell between two scans are not seen */
};

/* Runs on: any. Plain data. */
#endif
