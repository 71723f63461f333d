// SPDX-License-Identifier: MIT
/* A long wait is over when it was looked for in vain, not when nobody could look: the process was
 * stopped, or its watchdog got no CPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "watch/long_waits.h"

#define MS ((uint64_t)NS_PER_MS)
#define S  ((uint64_t)NS_PER_S)

enum { TID = 1 };

static const struct task_call waiting = {
    .status = TASK_IN_CALL, .number = SYS_wait4, .arguments = {17}, .sp = 4096};

static void look(uint64_t now, bool there)
{
    uint64_t next;
    long_waits_begin_round(now);
    if (there)
        long_waits_see(TID, &waiting, now);
    long_waits_due(now, &next);
}

static void test_a_thread_that_went_on(void **state)
{
    (void)state;
    long_waits_begin();
    look(100 * S, true);
    assert_int_equal(long_waits_since(TID), 100 * S);
    for (unsigned i = 1; i <= 100; i++) /* seen by some looks only: it comes round */
        look(100 * S + i * 50 * MS, i % 20 == 0);
    assert_int_equal(long_waits_since(TID), 100 * S);
    for (unsigned i = 1; i <= 60; i++)
        look(105 * S + i * 50 * MS, false);
    assert_int_equal(long_waits_since(TID), 0);
}

/* The first looks after a stop find the thread on its way back into its call. */
static void test_a_stop(void **state)
{
    (void)state;
    long_waits_begin();
    look(100 * S, true);
    look(107 * S, false);
    look(107 * S + 50 * MS, false);
    look(107 * S + 100 * MS, true);
    assert_int_equal(long_waits_since(TID), 100 * S);
}

/* A process of thousands of threads is looked at every few seconds. */
static void test_rare_looks(void **state)
{
    (void)state;
    long_waits_begin();
    for (unsigned i = 0; i < 20; i++) {
        uint64_t next, now = (100 + i * 4) * S;
        look(now, true);
        long_waits_due(now + 3 * S, &next); /* another thing is due in between */
        assert_int_equal(long_waits_since(TID), 100 * S);
    }
}

/* A server that is at work: found asleep in one place now and then, never for long. Its wait is
 * looked at ever more seldom, however often it is awake when the sampler comes. */
static void test_a_busy_thread(void **state)
{
    int tid = (int)syscall(SYS_gettid);
    unsigned looks = 0;
    uint64_t next, used = 0, before = task_run_time_ns(tid);
    (void)state;
    if (before == 0)
        skip(); /* a kernel without schedstat */
    long_waits_begin();
    for (unsigned i = 0; i < 120; i++) {
        uint64_t now = 100 * S + i * 500 * MS;
        while (task_run_time_ns(tid) == before)
            used++; /* it runs */
        before = task_run_time_ns(tid);
        long_waits_begin_round(now);
        if (i % 2 == 0)
            long_waits_see(tid, &waiting, now);
        looks += long_waits_due(now, &next);
        looks += long_waits_due(now + 250 * MS, &next);
    }
    assert_in_range(looks, 1, 8); /* after 0.5 s, and twice as long each time, of a minute */
}

/* The twin: one that sleeps is looked at as soon as it has slept for half a second. */
static void test_a_sleep_in_an_old_place(void **state)
{
    uint64_t next, now = 100 * S;
    (void)state;
    long_waits_begin();
    for (unsigned i = 0; i < 200; i++)
        look(now += 100 * MS, true); /* the place is looked at every 16 s by now */
    long_waits_begin_round(now += 100 * MS);
    struct task_call call = waiting;
    call.arguments[0]++; /* another wait: begins anew */
    long_waits_see(TID, &call, now);
    assert_false(long_waits_due(now, &next));
    long_waits_begin_round(now += 600 * MS);
    long_waits_see(TID, &call, now);
    assert_true(long_waits_due(now, &next));
}

/* Of a thread that comes back to the same place the wait is old, and its sleep is not. */
static void test_the_sleep_is_not_the_place(void **state)
{
    int tid = (int)syscall(SYS_gettid);
    uint64_t before = task_run_time_ns(tid), turns = 0;
    (void)state;
    if (before == 0)
        skip(); /* a kernel without schedstat */
    long_waits_begin();
    for (unsigned i = 0; i < 2; i++) {
        long_waits_begin_round((100 + i) * S);
        long_waits_see(tid, &waiting, (100 + i) * S);
        for (before = task_run_time_ns(tid); task_run_time_ns(tid) == before;)
            turns++; /* it runs */
    }
    assert_int_equal(long_waits_since(tid), 100 * S);
    assert_int_equal(long_waits_asleep_since(tid), 0);
    for (unsigned i = 0; i < 3; i++) /* the twin has not run: nothing can be read of its time */
        look((100 + i) * S, true);
    assert_int_equal(long_waits_asleep_since(TID), 100 * S);
}

/* Two that began at different times are looked at together before long: the watchdog of an idle
 * process wakes once a minute, not once for each of its threads. */
static void test_looks_come_together(void **state)
{
    enum { OTHER = 2, LAST_S = 1100, FROM_S = 500 };
    uint64_t next, now = 100 * S;
    unsigned looks = 0;
    (void)state;
    long_waits_begin();
    look(now, true);
    for (now = 105 * S; now < LAST_S * S; now = next) {
        long_waits_begin_round(now);
        long_waits_see(TID, &waiting, now);
        long_waits_see(OTHER, &waiting, now);
        looks += long_waits_due(now, &next) && now >= FROM_S * S;
        assert_true(next > now);
    }
    assert_in_range(looks, (LAST_S - FROM_S) / 60, (LAST_S - FROM_S) / 58 + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_that_went_on),
        cmocka_unit_test(test_a_stop),
        cmocka_unit_test(test_rare_looks),
        cmocka_unit_test(test_a_busy_thread),
        cmocka_unit_test(test_a_sleep_in_an_old_place),
        cmocka_unit_test(test_the_sleep_is_not_the_place),
        cmocka_unit_test(test_looks_come_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
