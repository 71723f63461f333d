// SPDX-License-Identifier: MIT
/* What a lag is counted as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "process/life.h"
#include "watch/lag_account.h"

#define MOMENT ((uint64_t)100 * NS_PER_S)

static struct lag_account account;
static struct lag_facts facts;
static struct loop_statistics statistics;

static void begin(uint64_t since)
{
    settings.number[SETTING_LOOP_THRESHOLD] = 200 * NS_PER_MS;
    lag_account_begin(&account, 0, since, since);
    account.run_ns = account.delay_ns = UINT64_MAX; /* nobody's: not known */
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
    lag_account_facts(&account, 0, MOMENT + threshold, &facts);
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
    lag_account_facts(&account, 0, MOMENT + threshold / 2, &facts);
    assert_int_equal(facts.lag_ns, threshold / 2);
    lag_account_count(&statistics, facts.lag_ns);
    assert_int_equal(statistics.lags, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lag_is_as_long_as_its_call),
        cmocka_unit_test(a_call_that_came_later_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
