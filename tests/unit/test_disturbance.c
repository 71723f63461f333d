// SPDX-License-Identifier: MIT
/* When a wait that lasts counts: not over a stop of the process, nor a sleep of the machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "watch/disturbance.h"

#define S ((uint64_t)NS_PER_S)

static void test_a_process_that_runs(void **state)
{
    struct disturbance of = {0};
    (void)state;
    for (uint64_t now = 100 * S; now < 200 * S; now += S)
        disturbance_see(&of, now, now, now + 7 * S); /* it had slept before */
    assert_int_equal(of.undisturbed_since, 0);
}

static void test_a_stop(void **state)
{
    struct disturbance of = {0};
    (void)state;
    disturbance_see(&of, 100 * S, 100 * S, 100 * S);
    disturbance_see(&of, 102 * S, 102 * S, 102 * S); /* a busy machine */
    assert_int_equal(of.undisturbed_since, 0);
    disturbance_see(&of, 106 * S, 106 * S, 106 * S);
    assert_int_equal(of.undisturbed_since, 106 * S);
    disturbance_see(&of, 107 * S, 107 * S, 107 * S);
    assert_int_equal(of.undisturbed_since, 106 * S);
}

/* A laptop that was shut for an hour: the one clock stood still, the other did not. */
static void test_a_sleep_of_the_machine(void **state)
{
    struct disturbance of = {0};
    (void)state;
    disturbance_see(&of, 100 * S, 100 * S, 105 * S);
    disturbance_see(&of, 101 * S, 101 * S, 3706 * S);
    assert_int_equal(of.undisturbed_since, 101 * S);
    disturbance_see(&of, 102 * S, 102 * S, 3707 * S);
    assert_int_equal(of.undisturbed_since, 101 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_process_that_runs),
        cmocka_unit_test(test_a_stop),
        cmocka_unit_test(test_a_sleep_of_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
