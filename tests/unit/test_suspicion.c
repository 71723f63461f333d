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
    bool confirmed = suspicion_confirmed(&finding, ms * NS_PER_MS);
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

/* A filter that is stuck in a write of its own, whose thread has woken so often by then. */
static struct wait_finding writing(uint64_t wakes)
{
    return (struct wait_finding){.kind = FINDING_READER_AWAY,
                                 .fingerprint = 7,
                                 .holder_writes = true,
                                 .holder_wakes = wakes};
}

static void test_a_reader_that_writes(void **state)
{
    (void)state;
    assert_false(scanned(writing(3), 0));
    assert_false(scanned(writing(3), 250));
    assert_int_equal(suspicion_due(), (250 + 250) * (uint64_t)NS_PER_MS);
    assert_false(scanned(writing(4), 900)); /* a slow consumer has taken something */
    assert_false(scanned(writing(4), 1500));
    assert_true(scanned(writing(4), 2000));
}

/* Nobody else can read: whatever its other threads compute. */
static void test_only_oneself_can_read(void **state)
{
    (void)state;
    assert_false(scanned(computing(FINDING_SELF_READER, 1000), 0));
    assert_true(scanned(computing(FINDING_SELF_READER, 1000), 250));
}

/* Of an event loop in a likely deadlock: what it has computed by `ms`, and waited for a CPU. */
static struct wait_finding comes_round(uint64_t ms, uint64_t worked_ms, uint64_t starved_ms)
{
    return (struct wait_finding){.kind = FINDING_DEADLOCK,
                                 .likely = true,
                                 .fingerprint = 7,
                                 .looked_ns = (5000 + ms) * NS_PER_MS,
                                 .worked_ns = worked_ms * NS_PER_MS,
                                 .starved_ns = starved_ms * NS_PER_MS};
}

/* Node with its timers, Bun, which wakes once a second; beside a load its turns wait for a CPU. */
static void test_a_loop_that_comes_round(void **state)
{
    (void)state;
    assert_false(scanned(comes_round(0, 300, 100), 0));
    assert_true(scanned(comes_round(1100, 330, 600), 1100));
}

static void test_a_loop_that_is_at_work(void **state)
{
    (void)state;
    assert_false(scanned(comes_round(0, 300, 100), 0));
    assert_false(scanned(comes_round(1100, 400, 100), 1100));
    assert_false(scanned(comes_round(5000, 700, 100), 5000));
    assert_true(scanned(comes_round(9000, 720, 100), 9000)); /* no more */
}

static void test_a_loop_that_gets_no_cpu(void **state)
{
    (void)state;
    assert_false(scanned(comes_round(0, 300, 100), 0));
    assert_false(scanned(comes_round(1100, 310, 1000), 1100));
}

static void test_a_thread_of_the_loop_has_ended(void **state)
{
    (void)state;
    assert_false(scanned(comes_round(0, 300, 100), 0));
    assert_false(scanned(comes_round(1100, 200, 90), 1100));
}

/* An event loop that asks for room in a full pipe, of so much memory by `ms`; nobody reads. */
static struct wait_finding grows(uint64_t ms, int64_t kilobytes)
{
    return (struct wait_finding){.kind = FINDING_BACKLOG,
                                 .likely = true,
                                 .fingerprint = 7,
                                 .holder_reads = 5,
                                 .memory_bytes = kilobytes * 1024,
                                 .memory_first = kilobytes * 1024,
                                 .seen_ns = ms * NS_PER_MS,
                                 .seen_first_ns = ms * NS_PER_MS};
}

static void test_a_backlog(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < BACKLOG_ROUNDS; round++)
        assert_false(scanned(grows(round * 1100, 50000 + (int64_t)round * 1000), round * 1100));
    assert_true(scanned(grows(3300, 53000), 3300));
}

/* Node compiles what it runs, for seconds beside a load: it grows each time, by little in all. */
static void test_a_start_is_no_backlog(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < BACKLOG_ROUNDS + 3; round++)
        assert_false(scanned(grows(round * 1100, 50000 + (int64_t)round * 280), round * 1100));
    assert_true(scanned(grows(8800, 52100), 8800)); /* it is none that ends */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_reader_that_computes, begin),
        cmocka_unit_test_setup(test_it_is_looked_at_again_while_it_computes, begin),
        cmocka_unit_test_setup(test_another_write, begin),
        cmocka_unit_test_setup(test_a_reader_that_writes, begin),
        cmocka_unit_test_setup(test_only_oneself_can_read, begin),
        cmocka_unit_test_setup(test_a_loop_that_comes_round, begin),
        cmocka_unit_test_setup(test_a_loop_that_is_at_work, begin),
        cmocka_unit_test_setup(test_a_loop_that_gets_no_cpu, begin),
        cmocka_unit_test_setup(test_a_thread_of_the_loop_has_ended, begin),
        cmocka_unit_test_setup(test_a_backlog, begin),
        cmocka_unit_test_setup(test_a_start_is_no_backlog, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
