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

/* What makes a suspicion a warning: looks that see no less, `used` each time. */
static bool confirm(struct fill_history *history, int64_t used, uint64_t seconds,
                    struct fill_forecast *forecast)
{
    for (unsigned i = 1; i < FILL_CONFIRMATIONS; i++)
        assert_false(add(history, used, seconds + i, forecast));
    return add(history, used, seconds + FILL_CONFIRMATIONS, forecast);
}

static void warns_once_past_the_mark(void **state)
{
    (void)state;
    struct fill_history history = {0};
    struct fill_forecast forecast;
    assert_false(add(&history, 10000, 1, &forecast));
    assert_false(add(&history, 20000, 2, &forecast));
    assert_false(add(&history, 30000, 3, &forecast));
    assert_false(add(&history, 40000, 4, &forecast)); /* often enough, not past 49,152 */
    assert_false(add(&history, 50000, 5, &forecast)); /* suspected */
    assert_true(confirm(&history, 54000, 5, &forecast));
    assert_int_equal(forecast.bytes_per_s, 44000 / (4 + FILL_CONFIRMATIONS));
    assert_false(add(&history, 60000, 20, &forecast)); /* once */
}

static void reader_progress_starts_anew(void **state)
{
    (void)state;
    struct fill_history history = {0};
    struct fill_forecast forecast;
    for (uint64_t i = 0; i < 20; i++) /* a reader that keeps up, however full it is at a look */
        assert_false(add(&history, 60000 - (int64_t)(i % 3) * 100, i + 1, &forecast));
    assert_false(add(&history, 50000, 30, &forecast));
    assert_false(add(&history, 51000, 31, &forecast));
    assert_false(add(&history, 52000, 32, &forecast));
    assert_false(add(&history, 53000, 33, &forecast));
    assert_true(confirm(&history, 53000, 33, &forecast));
}

/* A reader that takes something each 100 us: looks that are far apart may by chance have seen more
 * each time, these that follow soon do not. */
static void a_suspicion_that_does_not_hold(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= FILL_CONFIRMATIONS; at++) {
        struct fill_history history = {0};
        struct fill_forecast forecast;
        for (unsigned i = 0; i < 4; i++)
            assert_false(add(&history, 49000 + 4000 * i, i + 1, &forecast));
        for (unsigned i = 1; i <= FILL_CONFIRMATIONS; i++)
            assert_false(add(&history, i == at ? 60000 : 61000, 10 + i, &forecast));
        assert_false(add(&history, 61000, 20, &forecast));
        assert_int_equal(history.confirmations, 0);
    }
}

/* In step: it holds some bytes more, then some less; by chance more some times in a row. */
static void a_little_growth_is_none(void **state)
{
    (void)state;
    struct fill_history history = {0};
    struct fill_forecast forecast;
    for (unsigned i = 0; i < 9; i++)
        assert_false(add(&history, 60000 + 100 * i, i + 1, &forecast));
    for (unsigned i = 0; i < 40; i++) /* it stays */
        assert_false(add(&history, 60800, i + 20, &forecast));
    assert_false(add(&history, 60700, 70, &forecast));
    /* Never less, and very often more: it does fill, if slowly. */
    for (unsigned i = 1; i <= 10; i++)
        assert_false(add(&history, 60700 + 10 * i, 70 + i, &forecast));
    assert_true(confirm(&history, 60800, 80, &forecast));
}

static void pauses(void **state)
{
    (void)state;
    struct fill_history history = {0};
    struct fill_forecast forecast;
    assert_int_equal(fill_history_pause_ns(&history), second);
    add(&history, 48000, 1, &forecast);
    assert_int_equal(fill_history_pause_ns(&history), second * 3 / 10);
    for (unsigned i = 2; i <= 4; i++) {
        add(&history, 48000 + 1000 * i, i, &forecast);
        assert_int_equal(fill_history_pause_ns(&history), i < 4 ? second / 10 : second / 1000);
    }
    for (unsigned i = 1; i < FILL_CONFIRMATIONS; i++) {
        assert_false(add(&history, 53000, 4 + i, &forecast));
        assert_int_equal(fill_history_pause_ns(&history), second / 1000 << i);
    }
    assert_true(add(&history, 53000, 20, &forecast));
    assert_int_equal(fill_history_pause_ns(&history), second);
    add(&history, 52000, 21, &forecast); /* read */
    assert_int_equal(fill_history_pause_ns(&history), second);
    add(&history, 53000, 22, &forecast);
    assert_int_equal(fill_history_pause_ns(&history), second / 10);
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
    assert_false(add(&history, 59000, time++, &forecast));
    assert_true(confirm(&history, 60000, time, &forecast)); /* now it is not */
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
    enum { LOOKS_FOR_ONE = 1 + FILL_RISES + FILL_CONFIRMATIONS };
    static struct fill_watch watch;
    static char bytes[1024];
    struct reports reports = {.reader_waits = true};
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(fill_watch_find(&watch, getpid()), 0);
    for (unsigned i = 1; i <= 3 * LOOKS_FOR_ONE; i++) {
        assert_int_equal(write(fds[1], bytes, sizeof bytes), sizeof bytes);
        fill_watch_look(&watch, getpid(), 1, i * second, take, &reports);
        assert_int_equal(reports.count, i / LOOKS_FOR_ONE);
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
    assert_int_equal(fill_watch_find(&watch, getpid()), 0);
    assert_int_equal(fill_watch_next(&watch), 0);
    for (unsigned i = 1; i <= 6 + FILL_CONFIRMATIONS; i++) {
        if (i <= 6) /* 49,152 bytes are 75 % */
            assert_int_equal(write(fds[1], bytes, sizeof bytes), sizeof bytes);
        fill_watch_look(&watch, getpid(), 75, i * second, take, &reports);
        assert_int_equal(reports.count, i < 6 + FILL_CONFIRMATIONS ? 0 : 1);
        fill_watch_look(&watch, getpid(), 75, i * second, take, &reports); /* not due */
    }
    assert_int_equal(reports.fd, fds[1]);
    assert_int_equal(reports.last.bytes_per_s, 40960 / (5 + FILL_CONFIRMATIONS));
    /* Another file under its number is not taken for it. */
    int other[2];
    assert_int_equal(pipe(other), 0);
    assert_int_equal(write(other[1], bytes, 100), 100);
    int saved = dup(fds[1]);
    assert_int_equal(dup2(other[1], fds[1]), fds[1]);
    unsigned before = watch.count;
    fill_watch_look(&watch, getpid(), 1, 30 * second, take, &reports);
    for (unsigned i = 0; i < before; i++)
        assert_false(watch.pipes[i].fd == fds[1] && watch.pipes[i].begun);
    close(other[0]);
    close(other[1]);
    close(saved);
    close(fds[0]);
    close(fds[1]);
    close(copy);
    fill_watch_find(&watch, getpid());
    assert_int_equal(watch.count, before - 1); /* forgotten with its last end */
    assert_true(fill_watch_find(&watch, INT32_MAX) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_and_time_left),
        cmocka_unit_test(no_growth_is_no_forecast),
        cmocka_unit_test(warns_once_past_the_mark),
        cmocka_unit_test(reader_progress_starts_anew),
        cmocka_unit_test(a_suspicion_that_does_not_hold),
        cmocka_unit_test(a_little_growth_is_none),
        cmocka_unit_test(pauses),
        cmocka_unit_test(an_empty_pipe_was_read),
        cmocka_unit_test(reader_that_waits_starts_anew),
        cmocka_unit_test(a_real_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
