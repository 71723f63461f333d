// SPDX-License-Identifier: MIT
/* A stream's lock: for how long its holder is waited for. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/raw_syscall.h"
#include "drain/stream.h"
#include "slots/slot.h"

enum { ANOTHER = 1 }; /* a tid that is none of ours */

static struct slot no_slot;
__thread struct slot *thread_slot = &no_slot;
static struct stream stream;

static int begin(void **state)
{
    (void)state;
    stream = (struct stream){0};
    return 0;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_nobody_holds_it(void **state)
{
    (void)state;
    assert_int_equal(stream_lock_take(&stream), STREAM_LOCKED);
    assert_false(stream_lock_try(&stream));
    stream_lock_release(&stream);
    assert_true(stream_lock_try(&stream));
}

/* It was left by siglongjmp() in another thread, or its thread was stopped. */
static void test_holder_does_not_go_on(void **state)
{
    (void)state;
    stream.lock = ANOTHER;
    assert_int_equal(stream_lock_take(&stream), STREAM_STUCK);
}

static uint32_t self(void)
{
    return (uint32_t)raw_syscall(SYS_gettid);
}

static __attribute__((noinline)) void leave_it_locked(void)
{
    assert_true(stream_lock_at_once(&stream, self()));
    __asm__ volatile("" : : : "memory"); /* no jump: a frame of its own */
}

/* As deep as drain_write() may go before it takes the lock, and no deeper. */
static __attribute__((noinline)) enum stream_lock take_deeply(void)
{
    char deep[700];
    __asm__ volatile("" : : "r"(deep) : "memory");
    return stream_lock_take(&stream);
}

static void test_holder_jumped_out(void **state)
{
    (void)state;
    leave_it_locked();
    assert_false(stream_lock_at_once(&stream, self()));
    assert_int_equal(take_deeply(), STREAM_LOCKED);
}

static enum stream_lock in_handler;

static void handler(int signal)
{
    (void)signal;
    in_handler = stream_lock_take(&stream);
}

static void test_holder_is_interrupted(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = handler}, before;
    sigaction(SIGUSR1, &action, &before);
    in_handler = STREAM_LOCKED;
    assert_true(stream_lock_at_once(&stream, self()));
    raise(SIGUSR1);
    sigaction(SIGUSR1, &before, NULL);
    assert_int_equal(in_handler, STREAM_STUCK);
    assert_int_equal(stream.lock, self());
}

/* For longer than it waits for the one before: that one took `*context` seconds. */
static void *end_changes(void *context)
{
    const double *patience = context;
    struct timespec longer = {(time_t)(2 * *patience) + 1, 0};
    nanosleep(&longer, NULL);
    atomic_store(&stream.changes, 0);
    stream_lock_release(&stream);
    return NULL;
}

static void test_holder_starts_a_helper(void **state)
{
    (void)state;
    stream.lock = ANOTHER;
    double before = seconds();
    assert_int_equal(stream_lock_take(&stream), STREAM_STUCK);
    double patience = seconds() - before;
    stream.changes = 1;
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, end_changes, &patience), 0);
    assert_int_equal(stream_lock_take(&stream), STREAM_LOCKED);
    pthread_join(other, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nobody_holds_it, begin),
        cmocka_unit_test_setup(test_holder_does_not_go_on, begin),
        cmocka_unit_test_setup(test_holder_jumped_out, begin),
        cmocka_unit_test_setup(test_holder_is_interrupted, begin),
        cmocka_unit_test_setup(test_holder_starts_a_helper, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
