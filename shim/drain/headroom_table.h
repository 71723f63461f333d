// SPDX-License-Identifier: MIT
/* What is known of the space in the pipes, by descriptor; see drain/headroom.h. */
#ifndef PIPESHIM_DRAIN_HEADROOM_TABLE_H
#define PIPESHIM_DRAIN_HEADROOM_TABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { HEADROOM_FDS = 1024 }; /* higher numbers have none */

/* Of one descriptor. Whoever loses a race here loses some headroom, or asks once more. */
struct headroom {
    _Atomic uint64_t asked;      /* ticks_now() when the pipe was last looked at; 0: it is none, or
                                  * not known to be one */
    _Atomic int32_t left;        /* bytes; 0 or less: none */
    _Atomic uint32_t free_since; /* descriptor_children_ended() then */
    _Atomic uint32_t no_nowait;  /* a FIFO with a name: the kernel knows no RWF_NOWAIT of it */
    _Atomic uint64_t tested;     /* ticks_now() at the last small write for which there was none */
} __attribute__((aligned(32)));
extern struct headroom headrooms[HEADROOM_FDS] __attribute__((visibility("hidden")));

/* `fd` becomes another pipe. Async-signal-safe. */
static inline void headroom_forget(unsigned fd)
{
    atomic_store_explicit(&headrooms[fd].asked, 0, memory_order_relaxed);
    atomic_store_explicit(&headrooms[fd].no_nowait, 0, memory_order_relaxed);
}

/* `bytes` were written to `fd`, tested: they are no headroom any more. Async-signal-safe. */
static inline void headroom_spend(int fd, size_t bytes)
{
    if ((unsigned)fd < HEADROOM_FDS &&
        atomic_load_explicit(&headrooms[fd].left, memory_order_relaxed) > 0)
        atomic_fetch_sub_explicit(&headrooms[fd].left, (int32_t)bytes, memory_order_relaxed);
}

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
