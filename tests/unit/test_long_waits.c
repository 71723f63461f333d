// SPDX-License-Identifier: MIT
/* A long wait is over when it was looked for in vain, not when nobody could look: the process was
 * stopped, or its watchdog got no CPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_that_went_on),
        cmocka_unit_test(test_a_stop),
        cmocka_unit_test(test_rare_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
