// SPDX-License-Identifier: MIT
/* The watchdog's stack, and what its thread pointer points to. */
#ifndef PIPESHIM_WATCH_THREAD_MEMORY_H
#define PIPESHIM_WATCH_THREAD_MEMORY_H

#include <stdbool.h>

struct thread_memory {
    void *stack_top;
    void *thread_pointer;
};

/* Makes the memory, once in a process, and prepares it for the next watchdog: only one thread uses
 * it at a time. False when the kernel has none. */
bool thread_memory_take(struct thread_memory *memory);

/* False if libc's own thread-local variables (errno) lie farther from the thread pointer than what
 * the watchdog gets a copy of: then it must not call what uses them. The distance is the same in
 * all threads of a process. */
bool thread_memory_reaches_libc(void);

/* Runs on: the thread that starts the watchdog. AS-safe: yes. Blocks: no. */
#endif
