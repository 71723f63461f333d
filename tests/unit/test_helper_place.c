// SPDX-License-Identifier: MIT
/* A helper whose naps last too long leaves the processor where it waits for another one's turn. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "drain/helper_place.h"
#include "failing_calls.h"

static long late_ns;    /* what a nap takes */
static unsigned moves;  /* calls of sched_setaffinity() */
static cpu_set_t first; /* what the first one asked for */
static unsigned here;

static long late_nap(long number, long a, long b, long c, long d, long e, long f)
{
    struct timespec moment = {0, late_ns};
    return raw_syscall6(number, late_ns ? (long)&moment : a, b, c, d, e, f);
}

static long move(long number, long a, long b, long c, long d, long e, long f)
{
    unsigned cpu = 0;
    raw_syscall6(SYS_getcpu, (long)&cpu, 0, 0, 0, 0, 0);
    if (moves++ == 0) {
        memcpy(&first, (void *)c, sizeof first); /* NOLINT(performance-no-int-to-ptr) */
        here = cpu;
    }
    return raw_syscall6(number, a, b, c, d, e, f);
}

static void nap_of(long ns)
{
    calls_replace(SYS_nanosleep, late_nap);
    calls_replace(SYS_sched_setaffinity, move);
    late_ns = ns;
    moves = 0;
    helper_place_nap(50 * NS_PER_US);
    calls_restore();
}

static void test_a_nap_that_is_late(void **state)
{
    (void)state;
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    helper_place_begin();
    nap_of(3 * NS_PER_MS);
    assert_int_equal(moves, 2); /* away, and free to come back */
    assert_false(CPU_ISSET(here, &first));
    assert_true(CPU_COUNT(&first) >= CPU_SETSIZE - 1);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

static void test_a_nap_in_time(void **state)
{
    (void)state;
    enum { TRIES = 1000 }; /* on a machine that has other things to do */
    moves = 1;
    for (int i = 0; i < TRIES && moves > 0; i++)
        nap_of(0);
    assert_int_equal(moves, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_nap_that_is_late),
        cmocka_unit_test(test_a_nap_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
