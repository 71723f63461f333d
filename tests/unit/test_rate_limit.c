// SPDX-License-Identifier: MIT
/* Reports a time and stacks once in a while, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "report/rate_limit.h"

#define S ((uint64_t)1000000000)

static struct rate_limit limit;

static unsigned taken(unsigned tries, uint64_t now)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += rate_limit_take(&limit, now);
    return count;
}

static void test_a_second_has_its_share(void **state)
{
    (void)state;
    rate_limit_begin(&limit, 600, 60 * S); /* 10/s */
    assert_int_equal(taken(100, 5 * S), 10);
    assert_int_equal(taken(100, 5 * S + S / 2), 5);
    assert_int_equal(taken(100, 5000 * S), 10); /* a long quiet time saves up no more */
}

static void test_a_slow_rate_has_one(void **state)
{
    (void)state;
    rate_limit_begin(&limit, 2, 60 * S); /* 2/min */
    assert_int_equal(taken(10, S), 1);
    assert_int_equal(taken(10, 30 * S), 0);
    assert_int_equal(taken(10, 31 * S), 1);
}

static void test_a_stack_once_in_a_while(void **state)
{
    (void)state;
    rate_limit_begin(&limit, 600, 60 * S);
    assert_true(rate_limit_show_stack(&limit, 7, 1 * S));
    assert_false(rate_limit_show_stack(&limit, 7, 60 * S));
    assert_true(rate_limit_show_stack(&limit, 8, 60 * S));
    assert_true(rate_limit_show_stack(&limit, 7, 61 * S));
    rate_limit_begin(&limit, 600, 0);
    assert_true(rate_limit_show_stack(&limit, 7, 1 * S));
    assert_true(rate_limit_show_stack(&limit, 7, 1 * S));
}

static void test_the_oldest_stack_is_forgotten(void **state)
{
    (void)state;
    rate_limit_begin(&limit, 600, 60 * S);
    for (unsigned i = 0; i <= REMEMBERED_STACKS; i++)
        assert_true(rate_limit_show_stack(&limit, i, S + i));
    assert_false(rate_limit_show_stack(&limit, 1, 2 * S));
    assert_true(rate_limit_show_stack(&limit, 0, 2 * S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_has_its_share),
        cmocka_unit_test(test_a_slow_rate_has_one),
        cmocka_unit_test(test_a_stack_once_in_a_while),
        cmocka_unit_test(test_the_oldest_stack_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
