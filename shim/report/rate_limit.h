// SPDX-License-Identifier: MIT
/* How much is said: reports a time (PIPESHIM_RATE) and one full stack per distinct stack
 * (PIPESHIM_REPEAT). One caller at a time; async-signal-safe. */
#ifndef PIPESHIM_REPORT_RATE_LIMIT_H
#define PIPESHIM_REPORT_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum { REMEMBERED_STACKS = 256 };

struct rate_limit {
    uint64_t per_minute;
    uint64_t repeat_ns;
    uint64_t tokens_ns; /* saved-up time; one report costs a minute / per_minute */
    uint64_t last_ns;
    bool begun;
    bool remembers; /* any of the stacks is in use */
    struct {
        uint64_t hash, shown_ns;
    } stacks[REMEMBERED_STACKS];
};

/* Begins, for the first time in zeroed memory. */
void rate_limit_begin(struct rate_limit *limit, uint64_t per_minute, uint64_t repeat_ns);

/* Other limits from now on; what was saved up and shown stays. */
void rate_limit_change(struct rate_limit *limit, uint64_t per_minute, uint64_t repeat_ns);

/* True if one more report may be made at time `now_ns`: a bucket that holds one second's worth, at
 * least one report. */
bool rate_limit_take(struct rate_limit *limit, uint64_t now_ns);

/* True if the stack with this hash has not been shown in full for PIPESHIM_REPEAT; remembers that
 * it is shown now. Forgets the oldest when there are too many. */
bool rate_limit_show_stack(struct rate_limit *limit, uint64_t hash, uint64_t now_ns);

/* Runs on: any, under the lock of report/. AS-safe: yes. Blocks: no. */
#endif
