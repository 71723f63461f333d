// SPDX-License-Identifier: MIT
#include "report/rate_limit.h"

#include <stddef.h>
#include <string.h>

#define NS_PER_MINUTE ((uint64_t)60 * 1000000000)
#define NS_PER_SECOND ((uint64_t)1000000000)

void rate_limit_begin(struct rate_limit *limit, uint64_t per_minute, uint64_t repeat_ns)
{
    /* At the start of a process the memory of the stacks stays untouched. */
    memset(limit, 0, limit->remembers ? sizeof *limit : offsetof(struct rate_limit, stacks));
    limit->per_minute = per_minute;
    limit->repeat_ns = repeat_ns;
}

void rate_limit_change(struct rate_limit *limit, uint64_t per_minute, uint64_t repeat_ns)
{
    limit->per_minute = per_minute;
    limit->repeat_ns = repeat_ns;
}

bool rate_limit_take(struct rate_limit *limit, uint64_t now_ns)
{
    uint64_t price = NS_PER_MINUTE / limit->per_minute;
    uint64_t most = price > NS_PER_SECOND ? price : NS_PER_SECOND;
    uint64_t passed = limit->begun ? now_ns - limit->last_ns : most;
    limit->begun = true;
    limit->last_ns = now_ns;
    limit->tokens_ns = passed > most - limit->tokens_ns ? most : limit->tokens_ns + passed;
    if (limit->tokens_ns < price)
        return false;
    limit->tokens_ns -= price;
    return true;
}

bool rate_limit_show_stack(struct rate_limit *limit, uint64_t hash, uint64_t now_ns)
{
    unsigned oldest = 0;
    limit->remembers = true;
    for (unsigned i = 0; i < REMEMBERED_STACKS; i++) {
        if (limit->stacks[i].shown_ns != 0 && limit->stacks[i].hash == hash) {
            if (now_ns - limit->stacks[i].shown_ns < limit->repeat_ns)
                return false;
            limit->stacks[i].shown_ns = now_ns;
            return true;
        }
        if (limit->stacks[i].shown_ns < limit->stacks[oldest].shown_ns)
            oldest = i;
    }
    limit->stacks[oldest].hash = hash;
    limit->stacks[oldest].shown_ns = now_ns;
    return true;
}
