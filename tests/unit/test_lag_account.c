// SPDX-License-Identifier: MIT
/* What a lag is counted as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "kernel/task.h"
#include "process/life.h"
#include "watch/lag_account.h"

#define MOMENT ((uint64_t)100 * NS_PER_S)

enum { NOBODY = 1 << 23 }; /* no kernel gives so large a number: nothing is known of its CPU */

static struct lag_account account;
static struct lag_facts facts;
static struct loop_statistics statistics;

static void begin(uint64_t since)
{
    settings.number[SETTING_LOOP_THRESHOLD] = 200 * NS_PER_MS;
    lag_account_begin(&account, NOBODY, since, since);
    statistics = (struct loop_statistics){0};
}

/* The scan that saw the call begin found the loop in its wait still, and the next one came 150 ms
 * later: the call was reported at its threshold, but its lag was below it and not counted. */
static void a_lag_is_as_long_as_its_call(void **state)
{
    (void)state;
    uint64_t threshold = 200 * NS_PER_MS;
    begin(MOMENT + threshold / 2);
    lag_account_includes(&account, MOMENT);
    lag_account_call(&account, "usleep", CLASS_SLEEP, MOMENT + threshold);
    lag_account_facts(&account, NOBODY, MOMENT + threshold, &facts);
    assert_int_equal(facts.lag_ns, threshold);
    assert_int_equal(facts.share_ns[CLASS_SLEEP], threshold);
    lag_account_count(&statistics, facts.lag_ns);
    assert_int_equal(statistics.lags, 1);
}

static void a_call_that_came_later_changes_nothing(void **state)
{
    (void)state;
    uint64_t threshold = 200 * NS_PER_MS;
    begin(MOMENT);
    lag_account_includes(&account, MOMENT + threshold);
    lag_account_facts(&account, NOBODY, MOMENT + threshold / 2, &facts);
    assert_int_equal(facts.lag_ns, threshold / 2);
    lag_account_count(&statistics, facts.lag_ns);
    assert_int_equal(statistics.lags, 0);
}

static void compute(void)
{
    uint64_t begun = task_run_time_ns(getpid());
    while (task_run_time_ns(getpid()) - begun < 20 * NS_PER_MS)
        ;
}

/* All that was used since `before`, and no more. */
static void check_computed(uint64_t before)
{
    lag_account_facts(&account, getpid(), MOMENT + 1000 * NS_PER_MS, &facts);
    assert_true(facts.share_ns[CLASS_CPU] >= 20 * NS_PER_MS);
    assert_true(facts.share_ns[CLASS_CPU] <= task_run_time_ns(getpid()) - before);
}

/* Its CPU time is counted from its first sight, though the scheduler is asked later. */
static void cpu_time_counts_from_the_first_sight(void **state)
{
    (void)state;
    uint64_t before = task_run_time_ns(getpid());
    lag_account_begin(&account, getpid(), MOMENT, MOMENT);
    assert_true(account.delay_ns == LAG_UNKNOWN);
    compute();
    check_computed(before);
    assert_true(account.delay_ns != LAG_UNKNOWN);
    assert_true(facts.share_ns[CAUSE_STARVED] == 0);
}

/* What it waited for a CPU before the scheduler was asked was seen as running, and did not run. */
static void what_was_ready_and_did_not_run_was_starved(void **state)
{
    (void)state;
    lag_account_begin(&account, getpid(), MOMENT, MOMENT);
    lag_account_running(&account, MOMENT + 500 * NS_PER_MS);
    lag_account_facts(&account, getpid(), MOMENT + 500 * NS_PER_MS, &facts);
    assert_int_equal(facts.cause, CAUSE_STARVED);
    assert_true(facts.share_ns[CAUSE_STARVED] + facts.share_ns[CLASS_CPU] == 500 * NS_PER_MS);
}

/* As where a filter forbids it. */
static void without_a_clock_cpu_time_counts_from_the_next_scan(void **state)
{
    (void)state;
    lag_account_begin(&account, getpid(), MOMENT, MOMENT);
    account.run_ns = account.last_run_ns = 0;
    uint64_t before = task_run_time_ns(getpid());
    lag_account_schedule(&account, getpid());
    compute();
    check_computed(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lag_is_as_long_as_its_call),
        cmocka_unit_test(a_call_that_came_later_changes_nothing),
        cmocka_unit_test(cpu_time_counts_from_the_first_sight),
        cmocka_unit_test(what_was_ready_and_did_not_run_was_starved),
        cmocka_unit_test(without_a_clock_cpu_time_counts_from_the_next_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
