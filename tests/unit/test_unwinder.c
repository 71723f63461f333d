// SPDX-License-Identifier: MIT
/* Stacks of really blocked threads, unwound from another thread: names and order against the known
 * chain of calls, addresses against glibc's backtrace(3). */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "left_out.h"
#include "sleeper.h"

/* The functions from the innermost on, up to a NULL. */
static void assert_frames(const char *first, ...)
{
    va_list list;
    va_start(list, first);
    unsigned i = 0;
    for (const char *name = first; name != NULL; name = va_arg(list, const char *), i++) {
        assert_true(i < unwound.count);
        assert_string_equal(unwound_names[i].symbol, name);
    }
    va_end(list);
}

static struct sleeper *signalled; /* a signal handler has no other argument */

static NOINLINE void inner(struct sleeper *sleeper)
{
    sleeper_wait_here(sleeper);
}

static NOINLINE void middle(struct sleeper *sleeper)
{
    inner(sleeper);
    KEEP_FRAME();
}

static NOINLINE void outer(struct sleeper *sleeper)
{
    middle(sleeper);
    KEEP_FRAME();
}

static void test_names_and_order(void **state)
{
    (void)state;
    struct sleeper sleeper = {0};
    sleeper_start(&sleeper, outer, NULL);
    sleeper_unwind(&sleeper);
    sleeper_stop(&sleeper);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_frames("inner", "middle", "outer", "sleeper_run", NULL);
    assert_same_as_backtrace(&sleeper);
    assert_true(unwound.exact[0]);
    assert_false(unwound.exact[1]);
    char executable[4096] = "";
    assert_true(readlink("/proc/self/exe", executable, sizeof(executable) - 1) > 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(unwound_names[i].module, executable);
        assert_true(unwound_names[i].build_id_size > 0);
        assert_true(unwound_names[i].symbol_offset > 0 && unwound_names[i].symbol_offset < 4096);
    }
    assert_non_null(strstr(unwound_names[unwound.count - 1].module, "libc.so"));
}

static NOINLINE __attribute__((optimize("O0"))) void not_optimized(struct sleeper *sleeper)
{
    inner(sleeper);
    KEEP_FRAME();
}

/* A frame of unknown size is addressed through the frame pointer. */
static NOINLINE void with_alloca(struct sleeper *sleeper)
{
    volatile char *block = __builtin_alloca((size_t)sleeper->depth);
    block[0] = 1;
    not_optimized(sleeper);
    block[1] = 2;
}

/* A realigned stack: gcc finds the caller's frame by an expression. */
static NOINLINE void with_realigned_stack(struct sleeper *sleeper)
{
    char block[256] __attribute__((aligned(256)));
    __asm__ volatile("" ::"r"(block) : "memory");
    with_alloca(sleeper);
    KEEP_FRAME();
}

static void test_frame_kinds(void **state)
{
    (void)state;
    struct sleeper sleeper = {.depth = 5000};
    sleeper_start(&sleeper, with_realigned_stack, NULL);
    sleeper_unwind(&sleeper);
    sleeper_stop(&sleeper);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_frames("inner", "not_optimized", "with_alloca", "with_realigned_stack", "sleeper_run",
                  NULL);
    assert_same_as_backtrace(&sleeper);
}

static void test_recursion(void **state)
{
    (void)state;
    struct sleeper sleeper = {.depth = 200};
    sleeper_start(&sleeper, sleeper_recurse, NULL);
    sleeper_unwind(&sleeper);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_same_as_backtrace(&sleeper);
    for (unsigned i = 1; i <= 200; i++)
        assert_string_equal(unwound_names[i].symbol, "recurse");
    assert_string_equal(unwound_names[201].symbol, "sleeper_recurse");

    unwind_snapshot(&unwound_snapshot, modules_own(), &unwound_reader, 7, &unwound);
    assert_int_equal(unwound.end, STACK_END_DEPTH);
    assert_int_equal(unwound.count, 7);
    sleeper_stop(&sleeper);
}

/* More stack than the snapshot holds. */
static NOINLINE void with_large_frame(struct sleeper *sleeper)
{
    char block[3 * SNAPSHOT_LIMIT];
    __asm__ volatile("" ::"r"(block) : "memory");
    inner(sleeper);
    KEEP_FRAME();
}

static void test_deep_stack(void **state)
{
    (void)state;
    struct sleeper sleeper = {0};
    sleeper_start(&sleeper, with_large_frame, NULL);
    sleeper_unwind(&sleeper);
    sleeper_stop(&sleeper);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_frames("inner", "with_large_frame", "sleeper_run", NULL);
}

static void handle_signal(int number)
{
    (void)number;
    inner(signalled);
    KEEP_FRAME();
}

static NOINLINE void raise_fault(struct sleeper *sleeper)
{
    signalled = sleeper;
    raise(SIGUSR1);
    KEEP_FRAME();
}

static void test_signal_handler(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = handle_signal}, before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    struct sleeper sleeper = {0};
    sleeper_start(&sleeper, raise_fault, NULL);
    sleeper_unwind(&sleeper);
    sleeper_stop(&sleeper);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_frames("inner", "handle_signal", NULL);
    assert_same_as_backtrace(&sleeper);
    unsigned found = 0;
    for (unsigned i = 0; i < unwound.count; i++)
        found += strcmp(unwound_names[i].symbol, "raise_fault") == 0;
    assert_int_equal(found, 1);
    unsigned interrupted = 1; /* 2 is the trampoline itself: a return address of the handler */
    while (interrupted < unwound.count && !unwound.exact[interrupted])
        interrupted++;
    assert_true(UNDER_TSAN ? interrupted > 3 : interrupted == 3); /* TSan calls the handler */
    assert_true(interrupted < unwound.count);
}

static char *other_stack;

static NOINLINE void raise_on_other_stack(struct sleeper *sleeper)
{
    stack_t other = {.ss_sp = other_stack, .ss_size = OTHER_STACK_SIZE},
            none = {.ss_flags = SS_DISABLE};
    if (sigaltstack(&other, NULL) != 0)
        abort();
    raise_fault(sleeper);
    sigaltstack(&none, NULL);
}

/* The handler's stack lies above the thread's: the way back to it goes down. */
static void test_signal_handler_on_other_stack(void **state)
{
    (void)state;
    char *stacks = mmap(NULL, 2 * OTHER_STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(stacks != MAP_FAILED);
    other_stack = stacks + OTHER_STACK_SIZE;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stacks, OTHER_STACK_SIZE);
    struct sigaction action = {.sa_handler = handle_signal, .sa_flags = SA_ONSTACK}, before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    struct sleeper sleeper = {0};
    sleeper_start(&sleeper, raise_on_other_stack, &attributes);
    sleeper_unwind(&sleeper);
    sleeper_stop(&sleeper);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    pthread_attr_destroy(&attributes);
    munmap(stacks, 2 * OTHER_STACK_SIZE);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_same_as_backtrace(&sleeper);
    unsigned above = UNDER_TSAN ? 5 : 4; /* it also starts the threads */
    assert_string_equal(unwound_names[unwound.count - above].symbol, "raise_on_other_stack");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_order),
        cmocka_unit_test(test_frame_kinds),
        cmocka_unit_test(test_recursion),
        cmocka_unit_test(test_deep_stack),
        cmocka_unit_test(test_signal_handler),
        cmocka_unit_test(test_signal_handler_on_other_stack),
    };
    return cmocka_run_group_tests(tests, sleeper_set_up, NULL);
}
