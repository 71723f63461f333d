// SPDX-License-Identifier: MIT
/*
 * Waits that come by no door: libc's own read of a popen() stream, and pthread_join(), while
 * another thread or a child hangs. Nothing is recorded; a watchdog is started, which finds them in
 * /proc/self/task. Locks have no doors at all (cost; allocators take them): the thread that is
 * waited for, or what makes the pipe, comes by one (doors/claim.c, doors/pipe_doors.c).
 */
#include <pthread.h>
#include <stdio.h>

#include "doors/claim.h"
#include "doors/door.h"
#include "doors/real.h"
#include "process/pairs.h"

/* Its next call waits for what the shell will say, or for room in the pipe to it. */
DOOR(FILE *, popen, (const char *command, const char *type))
{
    BOUND(popen);
    FILE *stream = real_popen(command, type);
    if (stream)
        watchdog_claim(NULL, NULL);
    return stream;
}

DOOR(int, pthread_join, (pthread_t thread, void **result))
{
    BOUND(pthread_join);
    if (pairs_any_made())
        watchdog_claim(NULL, NULL);
    return real_pthread_join(thread, result);
}
