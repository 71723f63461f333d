// SPDX-License-Identifier: MIT
#include "drain/headroom.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/raw_syscall.h"

enum { NOT_AGAIN_FOR_TICKS = TICKS_ABOUT_20_US / 8, MOST = 16 * 1024 };
/* To look costs as much as three tests: it pays where more writes than that are sure to follow in
 * the time for which the answer is believed. */
#define SELDOM_TICKS (TICKS_IN_100_US / 16)

struct headroom headrooms[HEADROOM_FDS];
_Atomic bool headroom_watched;

/* Of an empty pipe: one page always fits. */
static int32_t space_in(int fd)
{
    long quarter = raw_syscall(SYS_fcntl, fd, F_GETPIPE_SZ) / 4;
    if (quarter < PIPE_BUF)
        return PIPE_BUF;
    return quarter < MOST ? (int32_t)quarter : MOST;
}

bool headroom_renew(struct headroom *space, int fd, size_t size, uint64_t now)
{
    struct slot *slot = thread_slot;
    int used = -1;
    uint64_t tested = atomic_load_explicit(&space->tested, memory_order_relaxed);
    atomic_store_explicit(&space->tested, now, memory_order_relaxed);
    /* Signed: another processor's counter may be ahead by a little. */
    if ((int64_t)(now - tested) > (int64_t)SELDOM_TICKS)
        return false;
    /* A writer that is faster than its reader does not find the pipe empty for a while. */
    if (now - atomic_load_explicit(&space->asked, memory_order_relaxed) < NOT_AGAIN_FOR_TICKS ||
        !atomic_load_explicit(&headroom_watched, memory_order_relaxed) ||
        !atomic_load_explicit(&slot->armed, memory_order_relaxed))
        return false;
    bool empty = raw_syscall(SYS_ioctl, fd, FIONREAD, &used) == 0 && used == 0;
    atomic_store_explicit(&space->asked, now, memory_order_relaxed);
    int32_t left = empty ? space_in(fd) - (int32_t)size : 0;
    atomic_store_explicit(&space->left, left, memory_order_relaxed);
    if (empty)
        headroom_note(slot);
    return empty;
}

bool headroom_begin(int fd, size_t size)
{
    if ((unsigned)fd >= HEADROOM_FDS)
        return false;
    struct headroom *space = &headrooms[fd];
    if (atomic_load_explicit(&space->asked, memory_order_relaxed) == 0)
        atomic_store_explicit(&space->asked, TICKS_LONG_AGO, memory_order_relaxed);
    atomic_store_explicit(&space->left, 0, memory_order_relaxed); /* a child may have filled it */
    atomic_store_explicit(&space->free_since, descriptor_children_ended(), memory_order_relaxed);
    return size <= HEADROOM_LIMIT && headroom_renew(space, fd, size, ticks_now());
}

void headroom_begin_in_child(void)
{
    atomic_store(&headroom_watched, false); /* no watchdog could come to the rescue yet */
    memset(headrooms, 0, sizeof headrooms);
}

void headroom_rescue(int fd)
{
    long capacity = raw_syscall(SYS_fcntl, fd, F_GETPIPE_SZ);
    if (capacity > 0)
        raw_syscall(SYS_fcntl, fd, F_SETPIPE_SZ, 2 * capacity);
}
