// SPDX-License-Identifier: MIT
/* Call sites and their percentiles, against an exact sort. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/summary.h"

static struct summary summary;
static struct incident incident;

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void check_percentile(const struct summary_site *site, const uint64_t *sorted,
                             unsigned count, unsigned percent)
{
    uint64_t exact = sorted[(count * percent + 99) / 100 - 1];
    uint64_t estimate = summary_percentile_ns(site, percent);
    assert_true(estimate >= exact);
    assert_true(estimate <= exact + exact / 4 + 1000); /* a quarter of a power of two */
}

static void test_percentiles(void **state)
{
    static uint64_t times[1000];
    (void)state;
    srandom(3);
    for (unsigned round = 0; round < 200; round++) {
        unsigned count = 1 + (unsigned)random() % 1000;
        uint64_t total = 0;
        summary_begin(&summary);
        for (unsigned i = 0; i < count; i++) {
            times[i] = (uint64_t)random() << (random() % 18);
            total += times[i];
            uint32_t at = summary_blocked(&summary, &incident);
            summary_returned(&summary, at, times[i]);
        }
        qsort(times, count, sizeof *times, by_size);
        const struct summary_site *site = &summary.sites[0];
        assert_int_equal(summary.site_count, 1);
        assert_int_equal(site->count, count);
        assert_true(site->total_ns == total);
        assert_true(site->max_ns == times[count - 1]);
        check_percentile(site, times, count, 50);
        check_percentile(site, times, count, 99);
        check_percentile(site, times, count, 100);
    }
}

static void test_sites(void **state)
{
    (void)state;
    summary_begin(&summary);
    memset(&incident, 0, sizeof incident);
    strcpy(incident.call, "write");
    for (unsigned i = 0; i < SITE_LIMIT; i++) {
        incident.stack_hash = i;
        assert_int_equal(summary_blocked(&summary, &incident), i);
    }
    assert_int_equal(summary_blocked(&summary, &incident), SITE_LIMIT - 1);
    strcpy(incident.call, "read");
    assert_int_equal(summary_blocked(&summary, &incident), SITE_NONE);
    summary_returned(&summary, SITE_NONE, 5);
    assert_int_equal(summary.sites_lost, 1);
    assert_int_equal(summary.reports, SITE_LIMIT + 2);
    assert_int_equal(summary_percentile_ns(&summary.sites[0], 50), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_sites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
