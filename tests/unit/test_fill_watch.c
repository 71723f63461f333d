// SPDX-License-Identifier: MIT
/* The forecast on numbers, and the watch on a real pipe that fills. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/fill_watch.h"

static const uint64_t second = 1000000000;

static void rate_and_time_left(void **state)
{
    (void)state;
    struct fill_sample before = {10000, 65536, 1 * second}, now = {50000, 65536, 5 * second};
    struct fill_forecast forecast;
    assert_true(fill_forecast(&before, &now, &forecast));
    assert_int_equal(forecast.bytes_per_s, 10000);
    assert_int_equal(forecast.full_in_ms, 1553);
}

static void no_growth_is_no_forecast(void **state)
{
    (void)state;
    struct fill_forecast forecast;
    struct fill_sample before = {50000, 65536, second}, same = {50000, 65536, 2 * second},
                       less = {49999, 65536, 2 * second}, at_once = {60000, 65536, second},
                       unknown = {-1, -1, 2 * second};
    assert_false(fill_forecast(&before, &same, &forecast));
    assert_false(fill_forecast(&before, &less, &forecast));
    assert_false(fill_forecast(&before, &at_once, &forecast));
    assert_false(fill_forecast(&before, &unknown, &forecast));
}

static bool add(struct fill_history *history, int64_t used, uint64_t seconds,
                struct fill_forecast *forecast)
{
    struct fill_sample sample = {used, 65536, seconds * second};
    return fill_history_add(history, &sample, 75, forecast);
}

static void warns_once_past_the_mark(void **state)
{
    (void)state;
    struct fill_history history = {0};
    struct fill_forecast forecast;
    assert_false(add(&history, 10000, 1, &forecast));
    assert_false(add(&history, 20000, 2, &forecast));
    assert_false(add(&history, 30000, 3, &forecast));
    assert_false(add(&history, 40000, 4, &forecast)); /* enough looks, not past 49,152 */
    assert_true(add(&history, 50000, 5, &forecast));
    assert_int_equal(forecast.bytes_per_s, 10000);
    assert_false(add(&history, 60000, 6, &forecast)); /* once */
}

static void reader_progress_starts_anew(void **state)
{
    (void)state;
    struct fill_history history = {0};
    struct fill_forecast forecast;
    for (uint64_t i = 0; i < 20; i++) /* a reader that keeps up, however full it is at a scan */
        assert_false(add(&history, 60000 - (int64_t)(i % 3) * 100, i + 1, &forecast));
    assert_false(add(&history, 50000, 30, &forecast));
    assert_false(add(&history, 51000, 31, &forecast));
    assert_false(add(&history, 52000, 32, &forecast));
    assert_true(add(&history, 53000, 33, &forecast));
}

/* bzip2 | wc: nothing for seconds, then much at once, which is read at once. */
static void an_empty_pipe_was_read(void **state)
{
    (void)state;
    struct fill_history history = {0};
    struct fill_forecast forecast;
    uint64_t time = 1;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 6; i++)
            assert_false(add(&history, 0, time++, &forecast));
        assert_false(add(&history, 50000, time++, &forecast));
        assert_false(add(&history, 57344, time++, &forecast));
    }
    assert_false(add(&history, 58000, time++, &forecast));
    assert_true(add(&history, 59000, time++, &forecast)); /* now it is not */
}

struct reports {
    bool reader_waits;
    unsigned count;
    int fd;
    struct fill_forecast last;
};

static bool take(void *context, const struct fill_history *pipe,
                 const struct fill_forecast *forecast)
{
    struct reports *reports = context;
    reports->count++;
    reports->fd = pipe->fd;
    reports->last = *forecast;
    return !reports->reader_waits;
}

static void reader_that_waits_starts_anew(void **state)
{
    (void)state;
    static struct fill_watch watch;
    static char bytes[4096];
    struct reports reports = {.reader_waits = true};
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    for (unsigned i = 1; i <= 12; i++) {
        assert_int_equal(write(fds[1], bytes, sizeof bytes), sizeof bytes);
        fill_watch_scan(&watch, getpid(), 10, i * second, take, &reports);
        assert_int_equal(reports.count, i / FILL_SCANS);
    }
    close(fds[0]);
    close(fds[1]);
}

static void a_real_pipe(void **state)
{
    (void)state;
    static struct fill_watch watch;
    static char bytes[8192];
    struct reports reports = {0};
    int fds[2], copy;
    assert_int_equal(pipe(fds), 0);
    copy = dup(fds[1]);
    for (unsigned i = 1; i <= 7; i++) {
        assert_int_equal(write(fds[1], bytes, sizeof bytes), sizeof bytes);
        assert_int_equal(fill_watch_scan(&watch, getpid(), 75, i * second, take, &reports), 0);
        assert_int_equal(reports.count, i < 6 ? 0 : 1); /* 49,152 bytes are 75 % */
    }
    assert_int_equal(reports.fd, fds[1]);
    assert_int_equal(reports.last.bytes_per_s, 8192);
    assert_int_equal(reports.last.full_in_ms, 2000);
    close(fds[0]);
    close(fds[1]);
    close(copy);
    unsigned before = watch.count;
    fill_watch_scan(&watch, getpid(), 75, 20 * second, take, &reports);
    assert_int_equal(watch.count, before - 1); /* forgotten with its last end */
    assert_true(fill_watch_scan(&watch, INT32_MAX, 75, 0, take, &reports) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_and_time_left),
        cmocka_unit_test(no_growth_is_no_forecast),
        cmocka_unit_test(warns_once_past_the_mark),
        cmocka_unit_test(reader_progress_starts_anew),
        cmocka_unit_test(an_empty_pipe_was_read),
        cmocka_unit_test(reader_that_waits_starts_anew),
        cmocka_unit_test(a_real_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
