// SPDX-License-Identifier: MIT
/*
 * Writes that surely fit, so that nobody needs to ask whether they do.
 *
 * pwritev2(RWF_NOWAIT), the test of the direct path (drain/direct.h), costs a tenth of a
 * microsecond more than write(): of a small record a quarter. But a pipe that was empty a moment
 * ago has space for a quarter of its capacity in small writes, which share their pages
 * (anon_pipe_write() merges into the last). So from the moment when the pipe is seen empty that
 * much is written with write(), for 100 us.
 *
 * What can go wrong: other processes fill the rest of the pipe within these 100 us, just when its
 * reader stops. Then write() blocks as it does without the library, headroom_rescue() makes space,
 * and there is no headroom in this process any more.
 */
#ifndef PIPESHIM_DRAIN_HEADROOM_H
#define PIPESHIM_DRAIN_HEADROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/newer_libc.h"
#include "base/ticks.h"
#include "drain/descriptor.h"
#include "drain/headroom_table.h"
#include "drain/stream.h"
#include "slots/slot.h"

enum { HEADROOM_LIMIT = 512 }; /* bytes of a write; larger ones lose nothing by the test */

/* True while the watchdog could come to the rescue, and never had to; it says so at each scan. */
extern _Atomic bool headroom_watched __attribute__((visibility("hidden")));

/* The call that the thread is in is made untested. */
static inline void headroom_note(struct slot *slot)
{
    slot->untested = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
}

/* Looks at the pipe, not more often than it pays: not of a write that comes alone. True: as
 * headroom_take(). Two system calls; async-signal-safe. */
bool headroom_renew(struct headroom *space, int fd, size_t size, uint64_t now)
    __attribute__((noinline));

/* `fd` is a pipe that PIPESHIM_DRAIN names, and a direct write to it is in order: from now on
 * headroom_is_direct() says so. True: as headroom_take(). */
bool headroom_begin(int fd, size_t size);

/* True if `fd` was a pipe when it was last asked for, and has not changed, and nothing is known to
 * be sent to it but what is written now: a direct write is in order. */
static inline __attribute__((always_inline)) bool headroom_is_direct(int fd)
{
    if ((unsigned)fd >= HEADROOM_FDS)
        return false;
    struct headroom *space = &headrooms[fd];
    return atomic_load_explicit(&space->asked, memory_order_relaxed) != 0 &&
           atomic_load_explicit(&drain_state->active, memory_order_relaxed) == 0 &&
           atomic_load_explicit(&space->free_since, memory_order_relaxed) ==
               descriptor_children_ended();
}

/* True if a write of `size` bytes to `fd`, to which a direct write is in order, may surely be made
 * with write() now; takes them. */
static inline __attribute__((always_inline)) bool headroom_take_direct(int fd, size_t size)
{
    if (size > HEADROOM_LIMIT)
        return false;
    struct headroom *space = &headrooms[fd];
    uint64_t asked = atomic_load_explicit(&space->asked, memory_order_relaxed);
    int32_t left = atomic_load_explicit(&space->left, memory_order_relaxed);
    if (left < (int32_t)size || ticks_now() - asked > TICKS_IN_100_US)
        return false;
    if (is_single_threaded())
        atomic_store_explicit(&space->left, left - (int32_t)size, memory_order_relaxed);
    else if (atomic_fetch_sub_explicit(&space->left, (int32_t)size, memory_order_relaxed) <
             (int32_t)size)
        return false;
    headroom_note(thread_slot);
    return true;
}

/* The same of any descriptor. */
static inline bool headroom_take(int fd, size_t size)
{
    return headroom_is_direct(fd) && headroom_take_direct(fd, size);
}

/* The same, and looks at the pipe if that may help. */
static inline bool headroom_ask(int fd, size_t size)
{
    return headroom_is_direct(fd) &&
           (headroom_take_direct(fd, size) ||
            (size <= HEADROOM_LIMIT && headroom_renew(&headrooms[fd], fd, size, ticks_now())));
}

/* A forked child. */
void headroom_begin_in_child(void);

/* For the watchdog: an untested write to the pipe that `fd` leads to is stuck. Makes the pipe
 * larger, which lets the writer go on (Linux 5.5), unless the kernel refuses (pipe(7):
 * pipe-max-size, pipe-user-pages-soft). */
void headroom_rescue(int fd);

/* Runs on: program threads, signal handlers; headroom_rescue(): watchdog. AS-safe: yes. Blocks:
 * no. */
#endif
