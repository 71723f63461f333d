// SPDX-License-Identifier: MIT
/* Kernel calls that only some architectures have: aarch64 came without the older ones. */
#ifndef PIPESHIM_BASE_KERNEL_CALLS_H
#define PIPESHIM_BASE_KERNEL_CALLS_H

#include <sys/syscall.h>

enum {
    KERNEL_CALL_NONE = -1000, /* no number that the kernel shows */
#ifdef SYS_poll
    KERNEL_CALL_POLL = SYS_poll,
#else
    KERNEL_CALL_POLL = KERNEL_CALL_NONE,
#endif
#ifdef SYS_select
    KERNEL_CALL_SELECT = SYS_select,
#else
    KERNEL_CALL_SELECT = KERNEL_CALL_NONE,
#endif
#ifdef SYS_pause
    KERNEL_CALL_PAUSE = SYS_pause,
#else
    KERNEL_CALL_PAUSE = SYS_ppoll, /* what libc uses instead */
#endif
#ifdef SYS_epoll_wait
    KERNEL_CALL_EPOLL_WAIT = SYS_epoll_wait,
#else
    KERNEL_CALL_EPOLL_WAIT = KERNEL_CALL_NONE,
#endif
};

/* Runs on: any. Plain data. */
#endif
