// SPDX-License-Identifier: MIT
/*
 * The one table of the system calls in which threads wait, by number: their names, what they wait
 * for, and which of their arguments say so. The numbers are those of the architecture the code is
 * built for.
 */
#ifndef PIPESHIM_KERNEL_CALL_TABLE_H
#define PIPESHIM_KERNEL_CALL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/calls.h"

enum wait_kind {
    WAIT_NONE,    /* running, or not asleep in a call that is known to wait */
    WAIT_READ,    /* for data or the end of a descriptor */
    WAIT_WRITE,   /* for space in a descriptor */
    WAIT_POLL,    /* poll, ppoll: for one of a list of descriptors */
    WAIT_SELECT,  /* select, pselect */
    WAIT_EPOLL,   /* for one of a set of descriptors */
    WAIT_CHILD,   /* wait4, waitid */
    WAIT_LOCK,    /* flock, fcntl(F_SETLKW) */
    WAIT_FUTEX,   /* for another thread */
    WAIT_SLEEP,   /* for time to pass */
    WAIT_SIGNAL,  /* pause, sigsuspend, sigtimedwait */
    WAIT_ACCEPT,  /* for a connection */
    WAIT_CONNECT, /* for the other side of a connection */
    WAIT_OPEN,    /* open of a FIFO waits for its other side */
    WAIT_OTHER,   /* in a call that is not in this table, or one that waits for the system */
    WAIT_STOPPED, /* SIGSTOP, SIGTSTP or a tracer */
    WAIT_ZOMBIE,  /* dead, its parent has not waited for it */
    WAIT_UNKNOWN, /* it may not be read */
};

/* How a call says how long it waits at most. */
enum timeout_kind {
    TIMEOUT_NONE,         /* for ever */
    TIMEOUT_MILLISECONDS, /* an int; negative: for ever */
    TIMEOUT_TIMESPEC,     /* a pointer to a struct timespec; NULL: for ever */
    TIMEOUT_TIMEVAL,      /* a pointer to a struct timeval; NULL: for ever */
    TIMEOUT_FUTEX,        /* a timespec, absolute with FUTEX_WAIT_BITSET */
    TIMEOUT_CLOCK_SLEEP,  /* a timespec, absolute with TIMER_ABSTIME */
};

struct call_description {
    long number;
    char name[20];  /* of the kernel call; not a pointer: see config/setting_table.h */
    char words[12]; /* what a person calls it, where that differs; else empty */
    enum wait_kind kind;
    enum call_class class;  /* before the object that it waits for is looked at */
    int8_t fd_argument;     /* -1: none; of two, the one that is written to */
    int8_t detail_argument; /* bytes that are asked for, or a path's address; -1: none */
    int8_t timeout_argument;
    enum timeout_kind timeout;
};

/* The description of a call; NULL for one that is not known to wait. Pure functions, all three. */
const struct call_description *call_description(long number);

/* What a kernel function name (/proc/PID/wchan) says of a thread whose call may not be read:
 * WAIT_OTHER for a name that is not known. The names have changed between kernels. */
enum wait_kind wait_kind_of_wchan(const char *wchan);

/* True if a thread that waits so may sleep in that kernel function. */
bool wchan_may_be(const char *wchan, enum wait_kind kind);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
