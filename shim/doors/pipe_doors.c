// SPDX-License-Identifier: MIT
/*
 * The program's pairs of ends are remembered: process/pairs.h. A process that has threads already
 * may wait for the others where no door is, and gets its watchdog with its first pair.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/raw_syscall.h"
#include "doors/claim.h"
#include "doors/door.h"
#include "doors/real.h"
#include "process/life.h"
#include "process/pairs.h"
#include "watch/late_start.h"

/* A folder has one link from each of its folders, and two more. Not by libc's word for it, which
 * there is since 2.32. */
static bool has_several_threads(const void *unused)
{
    (void)unused;
    enum { LINKS_OF_ONE = 3 };
    struct stat threads;
    return raw_syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &threads, 0) == 0 &&
           threads.st_nlink > LINKS_OF_ONE;
}

static void pair_is_made(const int ends[2])
{
    if (!late_start())
        return;
    pairs_remember(ends);
    watchdog_claim(has_several_threads, NULL);
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
