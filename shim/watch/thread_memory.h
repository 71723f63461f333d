// SPDX-License-Identifier: MIT
/*
 * The watchdog's stack, and what its thread pointer points to.
 *
 * It has no thread-local variables at all: neither a copy of its creator's, which is as large as
 * the program and its libraries make it (7 MB have been seen) and whose pointers two threads would
 * use, nor fresh ones, which only libc can make. Nothing that it runs uses the thread pointer:
 * tests/integration/life/test_object_code.py proves that of the library's machine code.
 */
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

/* Runs on: the thread that starts the watchdog. AS-safe: yes. Blocks: no. */
#endif
