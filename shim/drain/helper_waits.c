// SPDX-License-Identifier: MIT
#include "drain/helper_waits.h"

#include <limits.h>

#include "base/ticks.h"

/* The helper's own: no process is forked from it. child: scratch */
static bool pipe_is_large;
static uint64_t sent;     /* bytes; child: scratch */
static uint64_t until;    /* … small batches wait in naps as well; child: scratch */
static uint64_t for_once; /* … for so many, when they do; child: scratch */

void helper_waits_begin(bool large)
{
    pipe_is_large = large;
    sent = 0;
    until = 0;
    for_once = 0;
}

bool helper_waits_in_naps(unsigned naps, uint32_t left, bool quick)
{
    enum { NAPS_FOR_SPACE = 4 };
    return naps < NAPS_FOR_SPACE && quick && (left > PIPE_BUF || sent < until);
}

bool helper_waits_elsewhere(uint64_t ticks, bool quick)
{
    enum { LEAST = 16 << 20, MOST = 256 << 20 };
    if (!pipe_is_large || !quick || sent < until || ticks < TICKS_ABOUT_1_MS)
        return false;
    for_once = for_once == 0 ? LEAST : for_once < MOST ? 2 * for_once : MOST;
    until = sent + for_once;
    return true;
}

void helper_waits_sent(uint32_t bytes)
{
    sent += bytes;
}
