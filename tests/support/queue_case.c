// SPDX-License-Identifier: MIT
#include "queue_case.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "drain/drain.h"
#include "drain/episode.h"
#include "drain/mapping_changes.h"
#include "drain/stream_table.h"
#include "drain/totals.h"
#include "failing_calls.h"

static struct drain_options options = {.fds = "all", .max = BOUND, .exit_ns = NS_PER_S};
int ends[2], others[2];
char sent[2 * BOUND], received[2 * BOUND];

int queue_case_prepare(void **state)
{
    (void)state;
    return drain_begin(&options) ? 0 : -1;
}

static void make_pipe(int pair[2])
{
    assert_int_equal(pipe(pair), 0);
    assert_true(fcntl(pair[1], F_SETPIPE_SZ, PIPE_SIZE) >= PIPE_SIZE);
}

int queue_case_begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)('a' + i % 23);
    make_pipe(ends);
    make_pipe(others);
    drain_fallbacks();
    memset(&queue_totals, 0, sizeof queue_totals);
    return 0;
}

struct stream *stream_of(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    struct stream *stream = stream_find_locked(status.st_dev, status.st_ino, NULL);
    assert_non_null(stream);
    return stream;
}

enum queue_outcome queue_part(int fd, uint64_t at, uint64_t size, uint64_t done,
                              enum drain_overflow overflow, uint64_t *queued)
{
    struct iovec parts[2] = {{sent + at, size / 3}, {sent + at + size / 3, size - size / 3}};
    struct queued_write write = {
        .fd = fd, .vector = parts, .size = size, .done = done, .version = mapping_version()};
    struct stream *stream = stream_of(fd);
    uint32_t asked;
    enum queue_outcome outcome = queue_write(stream, &write, overflow, &asked);
    stream_lock_release(stream);
    if (queued)
        *queued = write.done;
    return outcome;
}

enum queue_outcome queue_bytes(int fd, uint64_t at, uint64_t size)
{
    return queue_part(fd, at, size, 0, DRAIN_BLOCK, NULL);
}

void expect(int fd, const char *bytes, uint64_t size)
{
    for (uint64_t got = 0; got < size;) {
        struct pollfd ready = {fd, POLLIN, 0};
        assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
        ssize_t part = read(fd, received + got, size - got);
        assert_true(part > 0);
        got += (uint64_t)part;
    }
    assert_memory_equal(received, bytes, size);
}

void wait_until_over(int fd)
{
    struct stream *stream = stream_of(fd);
    stream_lock_release(stream);
    for (int tries = 0; tries < DEADLINE_MS && atomic_load(&stream->running); tries++) {
        episode_check(stream, fd);
        poll(NULL, 0, 1);
    }
    assert_int_equal(atomic_load(&stream->running), 0);
    assert_int_equal(atomic_load(&drain_state->active), 0);
    assert_int_equal(atomic_load(&drain_state->queued), 0);
    assert_int_equal(atomic_load(&drain_state->resident), 0);
}

int queue_case_end(void **state)
{
    (void)state;
    calls_restore();
    close(ends[0]);
    close(ends[1]);
    close(others[0]);
    return close(others[1]);
}
