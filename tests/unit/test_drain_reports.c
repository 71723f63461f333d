// SPDX-License-Identifier: MIT
/* What the drainer does is told though another thread is speaking just then: later. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "drain/drain.h"
#include "drain/episode.h"
#include "drain/mapping_changes.h"
#include "drain/queue.h"
#include "drain/stream_table.h"
#include "process/life.h"
#include "reporter_case.h"
#include "watch/drain_reports.h"

enum { SIZE = 8192, DEADLINE_MS = 60000 };

static int ends[2];

static int begin(void **state)
{
    static const struct drain_options options = {.fds = "all", .max = 1 << 20, .exit_ns = NS_PER_S};
    (void)state;
    reporter_begin();
    assert_true(drain_init(&options));
    assert_int_equal(pipe(ends), 0);
    return 0;
}

static struct stream *queue_more_than_fits(void)
{
    static char bytes[SIZE];
    struct stat status;
    struct stream *stream = NULL;
    uint32_t asked;
    assert_int_equal(fstat(ends[1], &status), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, SIZE / 2) > 0);
    for (int i = 0; i < 2; i++) {
        struct iovec part = {bytes, SIZE};
        struct queued_write write = {
            .fd = ends[1], .vector = &part, .size = SIZE, .version = mapping_version()};
        stream = stream_find_locked(status.st_dev, status.st_ino, NULL);
        assert_non_null(stream);
        assert_int_equal(queue_write(stream, &write, DRAIN_BLOCK, &asked), QUEUE_DONE);
        stream_lock_release(stream);
    }
    return stream;
}

static void read_all(struct stream *stream)
{
    static char bytes[SIZE];
    for (int left = 2 * SIZE; left > 0;) {
        struct pollfd ready = {ends[0], POLLIN, 0};
        assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
        left -= (int)read(ends[0], bytes, sizeof bytes);
    }
    for (int tries = 0; tries < DEADLINE_MS && atomic_load(&stream->running); tries++) {
        episode_check(stream, ends[1]);
        poll(NULL, 0, 1);
    }
    assert_int_equal(atomic_load(&stream->running), 0);
}

static unsigned count(const char *text, const char *word)
{
    unsigned found = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        found++;
    return found;
}

/* Another thread speaks, and does not end for as long as the reporter has patience. */
static void look_in_vain(void)
{
    assert_true(life_reporting_begin(0));
    assert_true(drain_reports_streams(clock_monotonic_ns(), false));
    life_reporting_end();
}

static void what_cannot_be_told_now_is_told_later(void **state)
{
    (void)state;
    struct stream *stream = queue_more_than_fits();
    look_in_vain();
    assert_true(drain_reports_streams(clock_monotonic_ns(), false));
    read_all(stream);
    look_in_vain();
    assert_false(drain_reports_streams(clock_monotonic_ns(), false));
    assert_false(drain_reports_streams(clock_monotonic_ns(), false));
    const char *log = reporter_log();
    assert_int_equal(count(log, "\"event\":\"drain_start\""), 1);
    assert_int_equal(count(log, "\"event\":\"drain_end\""), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_cannot_be_told_now_is_told_later)};
    return cmocka_run_group_tests(tests, begin, NULL);
}
