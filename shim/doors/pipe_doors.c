// SPDX-License-Identifier: MIT
/*
 * The program's pairs of ends are remembered: process/pairs.h. A process that has threads already
 * may wait for the others where no door is, and gets its watchdog with its first pair.
 */
#include <sys/socket.h>

#include "doors/claim.h"
#include "doors/door.h"
#include "doors/held_ends.h"
#include "doors/real.h"
#include "process/pairs.h"
#include "watch/late_start.h"

static bool is_one_of_several(const void *unused)
{
    (void)unused;
    return has_several_threads();
}

static void pair_is_made(const int ends[2])
{
    if (!late_start())
        return;
    pairs_remember(ends);
    watchdog_claim(is_one_of_several, NULL);
}

DOOR(int, pipe, (int ends[2]))
{
    BOUND(pipe);
    int result = real_pipe(ends);
    if (result == 0)
        pair_is_made(ends);
    return result;
}

DOOR(int, pipe2, (int ends[2], int flags))
{
    BOUND(pipe2);
    int result = real_pipe2(ends, flags);
    if (result == 0)
        pair_is_made(ends);
    return result;
}

DOOR(int, socketpair, (int domain, int type, int protocol, int ends[2]))
{
    BOUND(socketpair);
    int result = real_socketpair(domain, type, protocol, ends);
    if (result == 0)
        pair_is_made(ends);
    return result;
}
