// SPDX-License-Identifier: MIT
/* When a helper waits for space in naps, and when in write(). */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ticks.h"
#include "drain/helper_waits.h"

enum { LATE = TICKS_ABOUT_1_MS, SMALL = PIPE_BUF, MIB = 1 << 20 };

static int begin(void **state)
{
    (void)state;
    helper_waits_begin(true);
    return 0;
}

/* MiB that are sent until the next small batch waits in write(). */
static unsigned sent_in_naps(void)
{
    enum { NEVER = 4096 };
    unsigned sent = 0;
    for (; sent < NEVER && helper_waits_in_naps(0, SMALL, true); sent++)
        helper_waits_sent(MIB);
    return sent;
}

static void test_a_reader_that_sleeps_in_between(void **state)
{
    (void)state;
    assert_false(helper_waits_elsewhere(LATE / 2, true));
    assert_false(helper_waits_in_naps(0, SMALL, true));
    assert_true(helper_waits_in_naps(0, SMALL + 1, true)); /* which must not wait in write() */
}

static void test_a_reader_that_is_slow(void **state)
{
    (void)state;
    assert_false(helper_waits_elsewhere(LATE, false));
    assert_false(helper_waits_in_naps(0, SMALL, false));
    assert_false(helper_waits_in_naps(0, SMALL + 1, false));
}

static void test_a_reader_that_never_sleeps(void **state)
{
    (void)state;
    assert_true(helper_waits_elsewhere(LATE, true));
    assert_false(helper_waits_elsewhere(LATE, true)); /* it has just moved */
    assert_true(helper_waits_in_naps(0, SMALL, true));
    assert_false(helper_waits_in_naps(4, SMALL, true)); /* it may have stopped */
    unsigned first = sent_in_naps();
    assert_int_equal(first, 16);
    assert_true(helper_waits_elsewhere(LATE, true));
    assert_int_equal(sent_in_naps(), 2 * first);
    for (int i = 0; i < 10; i++) {
        assert_true(helper_waits_elsewhere(LATE, true));
        sent_in_naps();
    }
    assert_true(helper_waits_elsewhere(LATE, true));
    assert_int_equal(sent_in_naps(), 256);
}

static void test_a_small_pipe(void **state)
{
    (void)state;
    helper_waits_begin(false);
    assert_false(helper_waits_elsewhere(LATE, true));
    assert_false(helper_waits_in_naps(0, SMALL, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_reader_that_sleeps_in_between, begin),
        cmocka_unit_test_setup(test_a_reader_that_is_slow, begin),
        cmocka_unit_test_setup(test_a_reader_that_never_sleeps, begin),
        cmocka_unit_test_setup(test_a_small_pipe, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
