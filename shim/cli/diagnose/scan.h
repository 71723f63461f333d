// SPDX-License-Identifier: MIT
/*
 * One diagnosis: as many scans as it takes to be sure, and what came of them. Shared by the text
 * and the JSON output. Unlike the library it may allocate.
 */
#ifndef PIPESHIM_CLI_DIAGNOSE_SCAN_H
#define PIPESHIM_CLI_DIAGNOSE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts/member.h"
#include "graph/finding.h"
#include "graph/wait_graph.h"

enum { FINDINGS_LIMIT = 128, NOTE_LIMIT = 160, NEARBY_LIMIT = 8 };

/* The exit statuses of `pipeshim diagnose`. */
enum {
    STATUS_CLEAR = 0,
    STATUS_STUCK = 1,
    STATUS_DEADLOCK = 2,
    STATUS_ERROR = 3,      /* what was asked for does not exist, or /proc cannot be read */
    STATUS_INCOMPLETE = 4, /* nothing was seen stuck, but not all could be read */
};

/* What could not be looked at, and why. */
struct note {
    int pid; /* 0: of no single process */
    char text[NOTE_LIMIT];
};

struct diagnosis {
    const int *pids; /* what was asked for; NULL: all processes */
    unsigned pid_count;
    struct wait_graph graph; /* of the last scan */
    struct wait_finding *findings;
    unsigned finding_count;            /* confirmed ones */
    uint64_t lasts_ns[FINDINGS_LIMIT]; /* for how long each has, at least; 0: not said */
    unsigned scans;
    double milliseconds; /* from the first scan to the last, both included */
    struct note *notes;
    unsigned note_count;
    unsigned found;  /* processes of `pids` that could be looked at */
    unsigned unread; /* that may not be read: of `pids`, or of all */
    /* Findings in which nobody takes part who was asked for, or waits for a member. */
    unsigned nearby;
    int nearby_pids[NEARBY_LIMIT]; /* a member of each of the first */
    struct member *members;        /* CHAIN_LIMIT a finding: where its links stand */
};

/* Takes the memory for all scans; false when there is none. */
bool diagnosis_start(struct diagnosis *diagnosis, const int *pids, unsigned pid_count);
void diagnosis_end(struct diagnosis *diagnosis);

/* Looks, and again after a while when something seemed stuck. False: /proc cannot be read. */
bool diagnose_once(struct diagnosis *diagnosis);

/* STATUS_… of what was found. */
int diagnosis_status(const struct diagnosis *diagnosis);

/* Runs on: tool. AS-safe: no. Blocks: between its scans. */
#endif
