// SPDX-License-Identifier: MIT
#include "sleeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "explain/modules.h"
#include "left_out.h"

struct memory_reader unwound_reader;
struct stack_snapshot unwound_snapshot;
struct stack_trace unwound;
struct stack_frame_name unwound_names[STACK_DEPTH_LIMIT];

static void *sleeper_run(void *argument)
{
    struct sleeper *sleeper = argument;
    sleeper->tid = gettid();
    sleeper->body(sleeper);
    KEEP_FRAME();
    return NULL;
}

void sleeper_start(struct sleeper *sleeper, void (*body)(struct sleeper *),
                   const pthread_attr_t *attributes)
{
    char byte;
    sleeper->body = body;
    assert_int_equal(pipe(sleeper->ready), 0);
    assert_int_equal(pipe(sleeper->release), 0);
    assert_int_equal(pthread_create(&sleeper->thread, attributes, sleeper_run, sleeper), 0);
    assert_int_equal(read(sleeper->ready[0], &byte, 1), 1);
}

void sleeper_stop(struct sleeper *sleeper)
{
    char byte = 0;
    assert_int_equal(write(sleeper->release[1], &byte, 1), 1);
    assert_int_equal(pthread_join(sleeper->thread, NULL), 0);
    for (int i = 0; i < 2; i++) {
        close(sleeper->ready[i]);
        close(sleeper->release[i]);
    }
}

void sleeper_unwind(const struct sleeper *sleeper)
{
    assert_true(stack_snapshot_take(&unwound_reader, &sleeper->registers, &unwound_snapshot));
    unwind_snapshot(&unwound_snapshot, modules_own(), &unwound_reader, STACK_DEPTH_LIMIT, &unwound);
    assert_int_equal(
        symbolize(&unwound, modules_own(), &unwound_reader, unwound_names, STACK_DEPTH_LIMIT),
        unwound.count);
}

static NOINLINE void inner(struct sleeper *sleeper)
{
    sleeper_wait_here(sleeper);
}

static NOINLINE int recurse(struct sleeper *sleeper, int depth)
{
    if (depth == 0)
        inner(sleeper);
    else
        depth = recurse(sleeper, depth - 1);
    KEEP_FRAME();
    return depth;
}

void sleeper_recurse(struct sleeper *sleeper)
{
    recurse(sleeper, sleeper->depth - 1);
    KEEP_FRAME();
}

void assert_same_as_backtrace(const struct sleeper *sleeper)
{
    unsigned own = UNDER_ASAN || UNDER_TSAN; /* their backtrace() is a frame more */
    assert_int_equal(unwound.count + own, sleeper->backtrace_count);
    for (unsigned i = 1; i < unwound.count; i++) /* 0 is two places in one function */
        assert_int_equal(unwound.pc[i], (uintptr_t)sleeper->backtrace[i + own]);
}

int sleeper_set_up(void **state)
{
    (void)state;
    unwound_reader = memory_reader_process(getpid());
    void *first[1];
    backtrace(first, 1); /* its first call loads libgcc */
    modules_init();
    return 0;
}
