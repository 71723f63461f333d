// SPDX-License-Identifier: MIT
#include "doors/nonblocking_doors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "base/raw_syscall.h"
#include "doors/door.h"
#include "doors/real.h"
#include "process/life.h"
#include "process/own_streams.h"
#include "watch/thread.h"

/* Both functions are variadic; on x86_64 and aarch64 their one further argument comes in the same
 * register as a named one, and a caller that passes none leaves whatever is in it, unused. */
static int change_flags(int (*real)(int, int, long), int fd, long flags)
{
    int result = real(fd, F_SETFL, flags);
    if (result == 0)
        own_streams_note(fd, (flags & O_NONBLOCK) != 0);
    return result;
}

DOOR(int, fcntl, (int fd, int command, long argument))
{
    BOUND(fcntl);
    if (command == F_SETFL)
        return change_flags(real_fcntl, fd, argument);
    return real_fcntl(fd, command, argument);
}

DOOR(int, fcntl64, (int fd, int command, long argument))
{
    BOUND(fcntl64);
    if (command == F_SETFL)
        return change_flags(real_fcntl64, fd, argument);
    return real_fcntl64(fd, command, argument);
}

/* libuv and Python use FIONBIO. The kernel has just read the number, so it may be read here. */
static int change_by_ioctl(int fd, unsigned long request, long argument)
{
    int result = real_ioctl(fd, request, argument);
    if (result == 0)
        own_streams_note(fd, *(const int *)argument != 0);
    return result;
}

DOOR(int, ioctl, (int fd, unsigned long request, long argument))
{
    BOUND(ioctl);
    if (request == FIONBIO)
        return change_by_ioctl(fd, request, argument);
    return real_ioctl(fd, request, argument);
}

void write_fell_short(int fd, ssize_t result, const void *caller)
{
    /* Inert: a filter may kill for the call below. */
    if (fd < 0 || fd > 2 || (result < 0 && errno != EAGAIN) || !life_active())
        return;
    uint32_t bit = 1U << fd;
    if (own_streams_is_own(fd) || atomic_load_explicit(&life->refused, memory_order_relaxed) & bit)
        return;
    long flags = raw_syscall(SYS_fcntl, fd, F_GETFL);
    if (flags < 0 || !(flags & O_NONBLOCK))
        return; /* a signal has cut it short */
    atomic_store(&life->refused_to[fd], (uint64_t)(uintptr_t)caller);
    atomic_fetch_or(&life->refused, bit);
    watchdog_thread_wake();
}
