// SPDX-License-Identifier: MIT
/*
 * Statistics of the reported calls by call site (the call and its stack), in fixed memory. One
 * caller at a time; async-signal-safe.
 */
#ifndef PIPESHIM_REPORT_SUMMARY_H
#define PIPESHIM_REPORT_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/drain_facts.h"
#include "facts/incident.h"
#include "facts/lag_facts.h"

enum {
    SUMMARY_RESCUES = 8, /* pipes that the drainer kept the program from hanging on */
    SITE_LIMIT = 128,
    SITE_NONE = SITE_LIMIT,     /* no space: counted in `sites_lost` */
    HISTOGRAM_BUCKETS = 40 * 4, /* quarters of powers of two, from 1 us: up to 12 days */
};

struct summary_site {
    uint64_t hash;
    char call[SYMBOL_NAME_LIMIT];
    enum call_class class;
    char object[OBJECT_NAME_LIMIT];
    char where[SYMBOL_NAME_LIMIT]; /* the innermost function outside of libc and this library */
    uint64_t count;                /* calls reported */
    uint64_t returned;             /* of them: their times are in what follows */
    uint64_t total_ns, max_ns;
    uint32_t histogram[HISTOGRAM_BUCKETS];
};

/* Looks at who waits for whom: at the relatives, or at all processes. */
struct look_totals {
    uint64_t count, cpu_ns, longest_ns;
};

struct summary {
    unsigned site_count;
    uint64_t sites_lost;
    uint64_t reports, held_back, suppressed, dropped;
    uint64_t watchdog_cpu_ns;
    struct look_totals looks; /* of that */
    uint64_t run_ns;          /* since the library became active */
    struct drain_totals drain;
    bool drain_on;
    unsigned rescue_count;
    unsigned loop_count;
    struct loop_statistics loops[LAG_LOOP_LIMIT];
    struct summary_site sites[SITE_LIMIT];
    struct drain_rescue rescues[SUMMARY_RESCUES];
};

void summary_begin(struct summary *summary);
/* Counts a reported call; returns its site. */
uint32_t summary_blocked(struct summary *summary, const struct incident *incident);
/* A reported call of site `at` has returned after `blocked_ns`. */
void summary_returned(struct summary *summary, uint32_t at, uint64_t blocked_ns);
/* The time that `percent` of the site's returned calls did not exceed, within 19 % (a bucket). */
uint64_t summary_percentile_ns(const struct summary_site *site, unsigned percent);

/* The innermost frame that is the program's own, for a one-line account; NULL: none known. */
const struct stack_frame_name *incident_program_frame(const struct incident *incident);

/* Runs on: any, under the lock of report/. AS-safe: yes. Blocks: no. */
#endif
