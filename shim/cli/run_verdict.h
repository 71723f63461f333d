// SPDX-License-Identifier: MIT
/*
 * What `run --fail-on` watches for: kinds of events, some of them beyond a duration.
 */
#ifndef PIPESHIM_CLI_RUN_VERDICT_H
#define PIPESHIM_CLI_RUN_VERDICT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    EXIT_FAILED_ON = 86, /* CMD ended with 0, but one of the things happened */
    FAIL_RULES = 16,
};

struct run_verdict {
    struct fail_rule {
        const char *event;   /* "deadlock", "finding", "blocked", "lag", "drain_drop" */
        const char *kind;    /* of a finding; NULL: any */
        int64_t longer_than; /* microseconds; -1: any */
    } rules[FAIL_RULES];
    unsigned count;
    char words[160]; /* what happened first; "": nothing yet */
};

/* Reads "deadlock,finding,blocked>5s,lag>1s,rescued,reader_away". False: `wrong` holds a copy of
 * the part that is not understood. */
bool run_verdict_parse(const char *text, struct run_verdict *verdict, char wrong[64]);

/* One event of the log. */
void run_verdict_event(struct run_verdict *verdict, const json_t *event);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
