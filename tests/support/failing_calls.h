// SPDX-License-Identifier: MIT
/*
 * System calls of the code under test that fail, one by one: what it makes through raw_syscall() of
 * base/raw_syscall.h (what libc makes is left alone). A unit's promise for the case that the kernel
 * refuses something can so be tested without a kernel that does.
 */
#ifndef PIPESHIM_TESTS_SUPPORT_FAILING_CALLS_H
#define PIPESHIM_TESTS_SUPPORT_FAILING_CALLS_H

#include <stdbool.h>

#include "base/raw_syscall.h"

enum { ANY_CALL = -1 };

/* From now on the `nth` call (from 1) of that number, or of any that a kernel may refuse, returns
 * -error without being made; `nth` 0: all of them. Others are made. One thread at a time. */
void calls_fail(long number, unsigned nth, int error);

/* The call is made by `other` instead, which may make the real one: raw_syscall6(). */
void calls_replace(long number, system_call *other);

/* How many were seen since calls_fail(), those that failed included. */
unsigned calls_seen(void);

/* True if one was made to fail. */
bool calls_failed(void);

/* The number of the last one that was. */
long calls_refused(void);

/* All are the kernel's again. */
void calls_restore(void);

/* Open descriptors of this process: what a failure must not leave behind. */
unsigned open_descriptors(void);

#endif
