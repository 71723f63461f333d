// SPDX-License-Identifier: MIT
/* However often a look is due, and whatever for: all together cost no more than they may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "watch/look_budget.h"

#define MS ((uint64_t)NS_PER_MS)
#define S  ((uint64_t)NS_PER_S)

static int begin(void **state)
{
    (void)state;
    look_budget_begin_in_child();
    return 0;
}

/* Looks of `cost` from `from` to `to`, one as soon as the other is allowed; returns when the next
 * one is. */
static uint64_t look_all_the_time(uint64_t from, uint64_t to, uint64_t cost)
{
    uint64_t now = from;
    while ((now = look_budget_due(now)) < to) {
        look_budget_spend(now + cost, cost);
        now += cost;
    }
    return now;
}

static void test_all_together(void **state)
{
    (void)state;
    static const uint64_t costs[] = {MS / 10, 3 * MS, 20 * MS, 200 * MS};
    for (unsigned i = 0; i < sizeof costs / sizeof *costs; i++) {
        look_budget_begin_in_child();
        look_all_the_time(1000 * S, 1060 * S, costs[i]);
        uint64_t bound = 60 * S / LOOKS_CPU_RATIO + LOOKS_SAVED_MS * MS + costs[i];
        assert_in_range(look_budget_totals().cpu_ns, bound / 2, bound);
        assert_in_range(look_budget_totals().cpu_ns - costs[i], 0, 60 * S / 100); /* 1 % */
        assert_int_equal(look_budget_totals().longest_ns, costs[i]);
        assert_int_equal(look_budget_totals().cpu_ns, look_budget_totals().count * costs[i]);
    }
}

/* A cycle is told after a quick look and two at all processes, from the parent's side. */
static void test_the_first_looks_are_made_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(look_budget_due(1000 * S), 1000 * S);
        look_budget_spend(1000 * S, LOOKS_SAVED_MS * MS / 3 - 1);
    }
    assert_int_equal(look_budget_due(1000 * S), 1000 * S);
    look_budget_spend(1000 * S, MS);
    assert_in_range(look_budget_due(1000 * S), 1000 * S + 149 * MS, 1000 * S + 150 * MS);
}

/* An hour in peace does not pay for an hour of looks. */
static void test_what_is_saved_is_bounded(void **state)
{
    (void)state;
    uint64_t next = look_all_the_time(1000 * S, 1010 * S, MS);
    uint64_t count = look_budget_totals().count;
    look_all_the_time(next + 3600 * S, next + 3600 * S + 1, MS);
    look_all_the_time(next + 3600 * S + 1, next + 3600 * S + 2, MS);
    look_all_the_time(next + 3600 * S, next + 3600 * S + (LOOKS_SAVED_MS + 10) * MS, MS);
    assert_int_equal(look_budget_totals().count - count, LOOKS_SAVED_MS + 1);
}

/* Just after a boot, and where the clock stands at its beginning. */
static void test_a_young_clock(void **state)
{
    (void)state;
    look_all_the_time(MS, 10 * S, MS);
    assert_in_range(look_budget_totals().cpu_ns, MS, 10 * S / LOOKS_CPU_RATIO + MS);
}

static void test_a_child_has_its_own(void **state)
{
    (void)state;
    look_budget_spend(1000 * S, S);
    assert_in_range(look_budget_due(1000 * S), 1001 * S, UINT64_MAX);
    look_budget_begin_in_child();
    assert_int_equal(look_budget_due(1000 * S), 1000 * S);
    assert_int_equal(look_budget_totals().count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all_together, begin),
        cmocka_unit_test_setup(test_the_first_looks_are_made_at_once, begin),
        cmocka_unit_test_setup(test_what_is_saved_is_bounded, begin),
        cmocka_unit_test_setup(test_a_young_clock, begin),
        cmocka_unit_test_setup(test_a_child_has_its_own, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
