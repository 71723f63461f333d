// SPDX-License-Identifier: MIT
/* What a second scan of all processes proves, and what needs more. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "watch/suspicion.h"

/* Of a reader that has computed for so long by then. */
static struct wait_finding computing(enum finding_kind kind, uint64_t run_ms)
{
    return (struct wait_finding){
        .kind = kind, .fingerprint = 7, .holder_runs = true, .holder_run_ns = run_ms * NS_PER_MS};
}

/* Whether a scan at `ms` confirms it. As watch/deadlock.c does it. */
static bool scanned(struct wait_finding finding, uint64_t ms)
{
    bool confirmed = suspicion_confirmed(&finding);
    suspicion_keep(&finding, confirmed, ms * NS_PER_MS);
    return confirmed;
}

static int begin(void **state)
{
    (void)state;
    suspicion_begin();
    return 0;
}

/* bzip2 -9 computes for 0.1 s and reads again; on a busy machine it takes seconds for that. */
static void test_a_reader_that_computes(void **state)
{
    (void)state;
    assert_false(scanned(computing(FINDING_READER_AWAY, 1000), 0));
    assert_false(scanned(computing(FINDING_READER_AWAY, 1060), 250));
    assert_false(scanned(computing(FINDING_READER_AWAY, 1990), 5000));
    assert_true(scanned(computing(FINDING_READER_AWAY, 2060), 6000)); /* since the first scan */
}

static void test_it_is_looked_at_again_while_it_computes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        scanned(computing(FINDING_READER_AWAY, 1000 + i * 60), i * 1000);
        assert_in_range(suspicion_due(), i * 1000 * (uint64_t)NS_PER_MS + 1,
                        (i * 1000 + 2000) * (uint64_t)NS_PER_MS);
    }
    suspicion_keep(NULL, false, 9000 * (uint64_t)NS_PER_MS); /* it has read */
    assert_true(suspicion_due() == UINT64_MAX);
}

/* It is another write: its reader has read in between. */
static void test_another_write(void **state)
{
    (void)state;
    struct wait_finding next = computing(FINDING_READER_AWAY, 3000);
    next.fingerprint = 8;
    assert_false(scanned(computing(FINDING_READER_AWAY, 1000), 0));
    assert_false(scanned(next, 250));
}

/* Nobody else can read: whatever its other threads compute. */
static void test_only_oneself_can_read(void **state)
{
    (void)state;
    assert_false(scanned(computing(FINDING_SELF_READER, 1000), 0));
    assert_true(scanned(computing(FINDING_SELF_READER, 1000), 250));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_reader_that_computes, begin),
        cmocka_unit_test_setup(test_it_is_looked_at_again_while_it_computes, begin),
        cmocka_unit_test_setup(test_another_write, begin),
        cmocka_unit_test_setup(test_only_oneself_can_read, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
