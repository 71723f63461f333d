// SPDX-License-Identifier: MIT
/* The calling thread's thread pointer: where its thread control block stands. Async-signal-safe. */
#ifndef PIPESHIM_BASE_THREAD_POINTER_H
#define PIPESHIM_BASE_THREAD_POINTER_H

#include <stdint.h>

static inline uintptr_t read_thread_pointer(void)
{
    uintptr_t pointer;
#if defined(__x86_64__)
    __asm__("mov %%fs:0, %0" : "=r"(pointer)); /* tcbhead_t begins with its own address */
#elif defined(__aarch64__)
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
#endif
    return pointer;
}

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
