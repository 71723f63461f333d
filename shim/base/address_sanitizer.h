// SPDX-License-Identifier: MIT
/*
 * A library that is built with AddressSanitizer (`make soak-life ASAN=1`).
 */
#ifndef PIPESHIM_BASE_ADDRESS_SANITIZER_H
#define PIPESHIM_BASE_ADDRESS_SANITIZER_H

#include <stddef.h>

/* A stack is begun anew in memory in which another one may have been left in the middle: by a fork,
 * whose child uses the memory for its own, or by a thread that was killed. The marks around its
 * variables would be taken for those of the new one. Nothing in an ordinary build. */
static inline void stack_begins_anew(void *low, size_t size)
{
#ifdef __SANITIZE_ADDRESS__
    extern void __asan_unpoison_memory_region(void const volatile *address, size_t length);
    __asan_unpoison_memory_region(low, size);
#else
    (void)low;
    (void)size;
#endif
}

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
