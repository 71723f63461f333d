// SPDX-License-Identifier: MIT
/* What is remembered of threads that have not run, and of slots that have not moved: as long as
 * nothing happens nothing is opened, and what happens is seen. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/raw_syscall.h"
#include "failing_calls.h"
#include "kernel/own_threads.h"
#include "kernel/task.h"
#include "kernel/thread_wait.h"
#include "process/life.h"
#include "watch/slot_notes.h"

static int ends[2];
static _Atomic int sleeper, taken;
static unsigned opened;

static long count_opened(long number, long a, long b, long c, long d, long e, long f)
{
    opened++;
    return raw_syscall6(number, a, b, c, d, e, f);
}

static void *sleep_in_read(void *unused)
{
    char byte;
    prctl(PR_SET_NAME, "sleeps");
    sleeper = (int)raw_syscall6(SYS_gettid, 0, 0, 0, 0, 0, 0);
    while (read(ends[0], &byte, 1) == 1)
        taken++;
    return unused;
}

static void wait_until_asleep(void)
{
    struct task_call call;
    do {
        sched_yield();
        call = task_read_call(sleeper);
    } while (call.status != TASK_IN_CALL || call.number != SYS_read);
}

static void let_it_take_one(void)
{
    int before = taken;
    assert_int_equal(write(ends[1], "x", 1), 1);
    while (taken == before)
        sched_yield();
    wait_until_asleep();
}

/* This thread is the watchdog, another one is watched. */
static int begin(void **state)
{
    static pthread_t thread;
    life = calloc(1, sizeof *life + SLOT_LIMIT / 8);
    if (!life || pipe(ends) != 0 || pthread_create(&thread, NULL, sleep_in_read, NULL) != 0)
        return -1;
    *state = &thread;
    life->pid = getpid();
    life->watchdog_tid = (int)raw_syscall6(SYS_gettid, 0, 0, 0, 0, 0, 0);
    while (sleeper == 0)
        sched_yield();
    wait_until_asleep();
    own_threads_begin();
    calls_replace(SYS_openat, count_opened);
    return 0;
}

static int end(void **state)
{
    calls_restore();
    close(ends[1]);
    pthread_join(*(pthread_t *)*state, NULL);
    close(ends[0]);
    free(life);
    sleeper = 0;
    return 0;
}

static void ask_for_call(bool expected_known)
{
    bool known;
    opened = 0;
    struct task_call call = own_thread_call(sleeper, &known);
    assert_int_equal(call.status, TASK_IN_CALL);
    assert_int_equal(call.number, SYS_read);
    assert_int_equal(call.arguments[0], ends[0]);
    assert_int_equal(known, expected_known);
    assert_int_equal(opened, expected_known ? 0 : 1);
}

static void test_call_of_a_thread(void **state)
{
    (void)state;
    ask_for_call(false);
    ask_for_call(true);
    let_it_take_one();
    ask_for_call(false); /* the same call, but not the same sleep */
    ask_for_call(true);
    own_threads_begin();
    ask_for_call(false);
}

/* Returns how many files were opened. */
static unsigned ask_for_wait(void)
{
    struct thread_wait wait;
    opened = 0;
    assert_true(thread_wait_read(getpid(), sleeper, &wait));
    assert_int_equal(wait.kind, WAIT_READ);
    assert_int_equal(wait.fd, ends[0]);
    assert_int_equal(wait.state, 'S');
    assert_string_equal(wait.comm, "sleeps");
    assert_true(wait.switches_known);
    assert_true(wait.switches > 0);
    return opened;
}

static void test_wait_of_a_thread(void **state)
{
    bool known;
    (void)state;
    assert_int_equal(ask_for_wait(), 3);
    assert_int_equal(ask_for_wait(), 1); /* whether it was woken */
    own_threads_trust(true);
    assert_int_equal(ask_for_wait(), 1); /* its call is not known yet */
    own_thread_call(sleeper, &known);
    assert_int_equal(ask_for_wait(), 0);
    own_threads_trust(false);
    assert_int_equal(ask_for_wait(), 1);
    let_it_take_one();
    own_threads_trust(true);
    assert_int_equal(ask_for_wait(), 3);
    own_threads_trust(false);
}

/* Woken, or a thread that has no such clock: the kernel is asked. */
static void test_only_the_watchdog_remembers(void **state)
{
    (void)state;
    assert_int_equal(ask_for_wait(), 3);
    life->watchdog_tid++;
    assert_int_equal(ask_for_wait(), 3);
    assert_int_equal(own_thread_clock(getpid(), sleeper), 0);
    life->watchdog_tid--;
    assert_int_equal(own_thread_clock(getppid(), sleeper), 0);
    assert_int_equal(ask_for_wait(), 1);
}

static void test_children(void **state)
{
    (void)state;
    assert_false(own_thread_is_childless(getpid(), sleeper));
    own_thread_note_childless(sleeper, own_thread_clock(getpid(), sleeper));
    assert_true(own_thread_is_childless(getpid(), sleeper));
    let_it_take_one();
    assert_false(own_thread_is_childless(getpid(), sleeper));
    own_thread_note_childless(sleeper, 1); /* of a time at which it has run since */
    assert_false(own_thread_is_childless(getpid(), sleeper));
}

static void *end_at_once(void *unused)
{
    return unused;
}

/* To the nanosecond the same as long as nobody else has run, whatever interrupts take of the
 * caller. */
static void test_time_of_few_threads(void **state)
{
    enum { TIMES = 2000 };
    pthread_t other;
    (void)state;
    uint64_t error, time = own_threads_time_ns(0, &error);
    assert_int_equal(error, 0);
    opened = 0;
    for (unsigned i = 0; i < TIMES; i++)
        assert_int_equal(own_threads_time_ns(time, &error), time);
    assert_int_equal(opened, 0);
    let_it_take_one();
    assert_true(own_threads_time_ns(time, &error) > time);
    time = own_threads_time_ns(time, &error);
    assert_int_equal(error, 0);
    assert_int_equal(own_threads_time_ns(time, &error), time);
    /* One that takes an ended one's place was somebody's to start: here the caller's, who does not
     * count. */
    assert_int_equal(pthread_create(&other, NULL, end_at_once, NULL), 0);
    pthread_join(other, NULL);
    assert_int_equal(own_threads_time_ns(time, &error), time);
    own_threads_begin();
    assert_int_equal(own_threads_time_ns(time, &error), time);
}

static void *sleep_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

/* Of many threads it is what the process has used: the list is not kept. */
static void test_time_of_many_threads(void **state)
{
    enum { MANY = 40 };
    pthread_t many[MANY];
    uint64_t error = 0, time = 0;
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(pthread_create(&many[i], NULL, sleep_for_ever, NULL), 0);
    opened = 0;
    time = own_threads_time_ns(0, &error);
    assert_true(time > 0 && error > 0);
    assert_int_equal(opened, 0);
    for (unsigned i = 0; i < MANY; i++) {
        pthread_cancel(many[i]);
        pthread_join(many[i], NULL);
    }
    own_threads_time_ns(0, &error);
    assert_int_equal(error, 0);
}

static void test_slot_at_rest(void **state)
{
    enum { SOME = 3 };
    struct slot slot = {.sequence = 5, .armed = SLOT_MARKS_ENTRY};
    (void)state;
    slot_notes_begin();
    assert_false(slot_is_at_rest(SOME, &slot));
    slot_note_rest(SOME, 5, SLOT_MARKS_ENTRY);
    assert_true(slot_is_at_rest(SOME, &slot));
    assert_true(slot_is_at_rest(SOME, &slot));
    assert_false(slot_is_at_rest(SOME + 1, &slot));
    slot.sequence = 7;
    assert_false(slot_is_at_rest(SOME, &slot));
    slot.sequence = 5; /* it is not at rest before it has been looked at again */
    assert_false(slot_is_at_rest(SOME, &slot));
    slot_note_rest(SOME, 5, SLOT_MARKS_ENTRY);
    slot.armed = SLOT_DISARMED;
    assert_false(slot_is_at_rest(SOME, &slot));
    slot_note_rest(SOME, 5, SLOT_DISARMED);
    slot_notes_begin();
    assert_false(slot_is_at_rest(SOME, &slot));
}

/* What was noted of a slot must not speak for the next thread that gets it. */
static void test_slot_of_another_thread(void **state)
{
    enum { NOBODY = 0x40000000 };
    (void)state;
    slot_notes_begin();
    struct slot *slot = slot_take(NOBODY);
    assert_non_null(slot);
    slot->sequence = 1; /* its one call */
    slot->armed = SLOT_MARKS_ENTRY;
    slot_note_rest(0, 1, SLOT_MARKS_ENTRY);
    slot_note_sampled(0, slot);
    assert_false(slot_has_moved(0, slot));
    assert_int_equal(slot_sweep(), 1);
    assert_ptr_equal(slot_take(NOBODY + 1), slot);
    slot->armed = SLOT_MARKS_ENTRY;
    slot->sequence++; /* the other one's first */
    assert_int_equal(slot->sequence & 1, 1);
    assert_true(slot_has_moved(0, slot));
    assert_false(slot_is_at_rest(0, slot));
}

/* A name may have 15 letters; the kernel's file adds a newline. */
static void test_the_longest_name(void **state)
{
    (void)state;
    char old[COMM_LIMIT], name[COMM_LIMIT], cut[5];
    int own = (int)raw_syscall6(SYS_gettid, 0, 0, 0, 0, 0, 0);
    prctl(PR_GET_NAME, old);
    prctl(PR_SET_NAME, "ThreadPoolForeg");
    task_name(own, name, sizeof name);
    task_name(own, cut, sizeof cut);
    prctl(PR_SET_NAME, old);
    assert_string_equal(name, "ThreadPoolForeg");
    assert_string_equal(cut, "Thre");
    task_name(INT32_MAX, name, sizeof name);
    assert_string_equal(name, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_call_of_a_thread, begin, end),
        cmocka_unit_test_setup_teardown(test_wait_of_a_thread, begin, end),
        cmocka_unit_test_setup_teardown(test_only_the_watchdog_remembers, begin, end),
        cmocka_unit_test_setup_teardown(test_children, begin, end),
        cmocka_unit_test(test_the_longest_name),
        cmocka_unit_test_setup_teardown(test_time_of_few_threads, begin, end),
        cmocka_unit_test_setup_teardown(test_time_of_many_threads, begin, end),
        cmocka_unit_test(test_slot_at_rest),
        cmocka_unit_test_setup_teardown(test_slot_of_another_thread, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
