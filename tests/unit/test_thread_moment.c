// SPDX-License-Identifier: MIT
// Whether a thread slept all the time: also of one that woke and sleeps in the same call again.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/thread_moment.h"

enum { TRIES = 20000 };

static int sleeper_pipe[2];
static volatile int sleeper_tid;
static volatile unsigned rounds;

static void *sleep_in_read(void *unused)
{
    char byte;
    sleeper_tid = (int)syscall(SYS_gettid);
    while (read(sleeper_pipe[0], &byte, 1) == 1)
        rounds++;
    return unused;
}

static void wait_a_little(void)
{
    nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void until_asleep(struct thread_moment *moment)
{
    for (unsigned i = 0; i < TRIES; i++) {
        thread_moment_read(getpid(), sleeper_tid, moment);
        if (moment->status == MOMENT_ASLEEP && moment->number == SYS_read)
            return;
        wait_a_little();
    }
    fail_msg("the thread never slept in read");
}

static void test_asleep_and_woken(void **state)
{
    (void)state;
    pthread_t thread;
    struct thread_moment before, after;
    assert_int_equal(pipe(sleeper_pipe), 0);
    assert_int_equal(pthread_create(&thread, NULL, sleep_in_read, NULL), 0);
    while (sleeper_tid == 0)
        wait_a_little();
    until_asleep(&before);
    until_asleep(&after);
    assert_true(before.sp != 0 && before.pc != 0);
    assert_true(thread_moment_same(&before, &after));

    assert_int_equal(write(sleeper_pipe[1], "x", 1), 1);
    while (rounds == 0)
        wait_a_little();
    until_asleep(&after);
    assert_int_equal(after.number, before.number);
    assert_true(after.sp == before.sp && after.pc == before.pc);
    assert_false(thread_moment_same(&before, &after));

    close(sleeper_pipe[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (unsigned i = 0; i < TRIES && after.status != MOMENT_GONE; i++) {
        thread_moment_read(getpid(), sleeper_tid, &after);
        wait_a_little();
    }
    assert_int_equal(after.status, MOMENT_GONE);
    assert_false(thread_moment_same(&after, &after));
}

static _Atomic bool stop; /* volatile: UBSan of GCC 12 reads it once */

static void *spin(void *unused)
{
    sleeper_tid = (int)syscall(SYS_gettid);
    while (!stop)
        continue;
    return unused;
}

static void test_running(void **state)
{
    (void)state;
    pthread_t thread;
    struct thread_moment moment = {.status = MOMENT_GONE};
    sleeper_tid = 0;
    assert_int_equal(pthread_create(&thread, NULL, spin, NULL), 0);
    while (sleeper_tid == 0)
        wait_a_little();
    for (unsigned i = 0; i < TRIES && moment.status != MOMENT_RUNNING; i++)
        thread_moment_read(getpid(), sleeper_tid, &moment);
    assert_int_equal(moment.status, MOMENT_RUNNING);
    assert_false(thread_moment_same(&moment, &moment));
    stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asleep_and_woken),
        cmocka_unit_test(test_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
