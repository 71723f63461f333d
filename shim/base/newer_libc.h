// SPDX-License-Identifier: MIT
/*
 * What newer C libraries have and the oldest one that the library loads with (glibc 2.28) has not,
 * or has in another library: looked up, and done without where it is missing. A reference would be
 * fatal there.
 */
#ifndef PIPESHIM_BASE_NEWER_LIBC_H
#define PIPESHIM_BASE_NEWER_LIBC_H

#include <stdbool.h>

/* __libc_single_threaded of glibc 2.32: not 0 while the process surely has one thread only. Points
 * to a 0 where libc does not tell, and before newer_libc_find(). */
extern const char *libc_single_threaded __attribute__((visibility("hidden")));

static inline bool is_single_threaded(void)
{
    return *libc_single_threaded != 0;
}

/* pthread_testcancel(3). Before glibc 2.34 it is in libpthread: a program that was started without
 * has no thread that could be cancelled. */
void cancellation_point(void);

/* Looks them up. Once, before threads. */
void newer_libc_find(void);

#endif
/* Runs on: program threads. AS-safe: yes, but for newer_libc_find(). Blocks: no. */
