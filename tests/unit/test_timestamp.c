// SPDX-License-Identifier: MIT
/* RFC 3339 text against gmtime_r. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "base/timestamp.h"

static void check(uint64_t second, uint64_t nanosecond)
{
    char text[TIMESTAMP_SIZE];
    char date[32];
    char expected[64];
    time_t time = (time_t)second;
    struct tm tm;
    timestamp_rfc3339(second * 1000000000 + nanosecond, text);
    gmtime_r(&time, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(expected, sizeof expected, "%s.%06uZ", date, (unsigned)(nanosecond / 1000));
    assert_string_equal(text, expected);
}

static void test_every_day(void **state)
{
    (void)state;
    for (uint64_t day = 0; day < 200000; day++) { /* 1970 to 2517: with 2000, 2100 and 2400 */
        check(day * 86400, 0);
        check(day * 86400 + 86399, 999999999);
        check(day * 86400 + day * 7919 % 86400, day * 104729 % 1000000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_day)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
