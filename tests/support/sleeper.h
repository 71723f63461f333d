// SPDX-License-Identifier: MIT
/* A thread that captures its registers in some function and waits there, and its stack unwound. */
#ifndef PIPESHIM_TESTS_SLEEPER_H
#define PIPESHIM_TESTS_SLEEPER_H

#include <execinfo.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "explain/symbols.h"
#include "explain/unwinder.h"
#include "slots/capture_registers.h"

#define NOINLINE __attribute__((noinline, noclone))
/* After a call: makes it no tail call. */
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

static const size_t OTHER_STACK_SIZE = 2097152; /* TSan takes most of 1 MiB of a thread's */

struct sleeper {
    pthread_t thread;
    void (*body)(struct sleeper *);
    int ready[2], release[2];
    struct saved_registers registers;
    void *backtrace[STACK_DEPTH_LIMIT];
    int backtrace_count;
    int depth;
    volatile pid_t tid;
};

/* This process's memory, and what the last unwind found. */
extern struct memory_reader unwound_reader;
extern struct stack_snapshot unwound_snapshot;
extern struct stack_trace unwound;
extern struct stack_frame_name unwound_names[STACK_DEPTH_LIMIT];

/* For cmocka_run_group_tests(). */
int sleeper_set_up(void **state);

/* Begins a thread that runs `body`, and waits until it has written to `ready`. */
void sleeper_start(struct sleeper *sleeper, void (*body)(struct sleeper *),
                   const pthread_attr_t *attributes);
void sleeper_stop(struct sleeper *sleeper);
void sleeper_unwind(const struct sleeper *sleeper);

/* A body: so many calls of itself as `depth` says. */
void sleeper_recurse(struct sleeper *sleeper);

void assert_same_as_backtrace(const struct sleeper *sleeper);

/* Inlined: the frame that waits is that of the caller. */
static inline __attribute__((always_inline)) void sleeper_wait_here(struct sleeper *sleeper)
{
    char byte = 0;
    sleeper->backtrace_count = backtrace(sleeper->backtrace, STACK_DEPTH_LIMIT);
    capture_registers(&sleeper->registers);
    if (write(sleeper->ready[1], &byte, 1) != 1 || read(sleeper->release[0], &byte, 1) != 1)
        abort();
    KEEP_FRAME();
}

#endif
