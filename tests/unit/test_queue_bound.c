// SPDX-License-Identifier: MIT
/* A queued write where PIPESHIM_DRAIN_MAX is reached, or memory is to be spared. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "drain/episode.h"
#include "drain/mapping_changes.h"
#include "drain/queue.h"
#include "drain/space.h"
#include "drain/totals.h"
#include "failing_calls.h"
#include "queue_case.h"

/* Queues until the bound is reached, and the helper stands before the full pipe with what it has
 * taken: nothing moves any more. Returns the bytes. */
static uint64_t fill(int fd)
{
    enum { PART = 32 * 1024 };
    uint64_t at = 0;
    for (uint64_t before = UINT64_MAX; at != before;) {
        before = at;
        while (queue_bytes(fd, at, PART) == QUEUE_DONE)
            at += PART;
        struct stream *stream = stream_of(fd);
        stream_lock_release(stream);
        for (int tries = 0; tries < DEADLINE_MS; tries++) {
            if (atomic_load(&atomic_load(&stream->channel)->in_flight) > 0)
                break;
            poll(NULL, 0, 1);
        }
    }
    assert_true(at > BOUND / 2);
    assert_true(at <= BOUND + PIPE_SIZE + RECORD_LIMIT);
    return at;
}

static void test_at_the_bound_it_waits(void **state)
{
    (void)state;
    uint64_t at = fill(ends[1]);
    struct stream *stream = stream_of(ends[1]);
    struct iovec part = {sent + at, 60000};
    struct queued_write write = {
        .fd = ends[1], .vector = &part, .size = 60000, .done = 0, .version = mapping_version()};
    uint32_t asked;
    assert_int_equal(queue_write(stream, &write, DRAIN_BLOCK, &asked), QUEUE_FULL);
    assert_int_equal(write.done, 0);
    stream_lock_release(stream);
    pid_t reader = fork();
    if (reader == 0) {
        for (uint64_t got = 0; got < at + 60000;)
            got += (uint64_t)read(ends[0], received, sizeof received);
        _exit(0);
    }
    for (enum queue_outcome outcome = QUEUE_FULL; outcome == QUEUE_FULL;) {
        assert_int_equal(space_wait(atomic_load(&stream->channel), asked), 0);
        assert_ptr_equal(stream_of(ends[1]), stream);
        outcome = queue_write(stream, &write, DRAIN_BLOCK, &asked);
        stream_lock_release(stream);
        assert_true(outcome == QUEUE_FULL || outcome == QUEUE_DONE);
    }
    int status;
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(status, 0);
    wait_until_over(ends[1]);
    assert_int_equal(queue_totals.dropped_writes, 0);
}

static void test_at_the_bound_the_new_one_is_dropped(void **state)
{
    (void)state;
    uint64_t queued;
    uint64_t at = fill(ends[1]);
    assert_int_equal(queue_part(ends[1], at, 50000, 0, DRAIN_DROP_NEW, &queued), QUEUE_DONE);
    assert_int_equal(queued, 0);
    assert_int_equal(queue_totals.dropped_writes, 1);
    assert_int_equal(queue_totals.dropped_bytes, 50000);
    /* A write that has begun never is: its rest would be the beginning of something else. */
    assert_int_equal(queue_part(ends[1], at, 60000, 20000, DRAIN_DROP_NEW, &queued), QUEUE_FULL);
    assert_int_equal(queue_totals.dropped_writes, 1);
    expect(ends[0], sent, at);
    wait_until_over(ends[1]);
}

static void test_at_the_bound_the_oldest_is_dropped(void **state)
{
    (void)state;
    drain_limits.drops_oldest = true;
    uint64_t queued;
    uint64_t at = fill(ends[1]);
    assert_int_equal(queue_part(ends[1], at, 50000, 0, DRAIN_DROP_OLD, &queued), QUEUE_DONE);
    assert_int_equal(queued, 50000);
    uint64_t dropped = queue_totals.dropped_bytes;
    assert_true(dropped > 0);
    assert_int_equal(dropped % (32 * 1024), 0); /* whole writes */
    assert_int_equal(queue_totals.dropped_writes, dropped / (32 * 1024));
    /* What the helper had taken goes first, then what is left, to the end. */
    uint64_t first = 0;
    for (uint64_t got = 0; got < at - dropped + 50000;) {
        ssize_t part = read(ends[0], received + got, sizeof received - got);
        assert_true(part > 0);
        got += (uint64_t)part;
    }
    while (received[first] == sent[first] && first < at - dropped)
        first++;
    assert_memory_equal(received + first, sent + first + dropped, at - dropped + 50000 - first);
    wait_until_over(ends[1]);
    drain_limits.drops_oldest = false;
}

/* A write that spares memory is told so before pages are made anew beyond what an empty queue
 * keeps; one that does not spare it, or finds pages that were sent, is queued. */
static void test_memory_is_spared(void **state)
{
    (void)state;
    enum { PART = 32 * 1024, KEPT = 512 * 1024 };
    uint64_t at = 0;
    struct iovec part = {sent, PART};
    uint32_t asked;
    enum queue_outcome outcome = QUEUE_DONE;
    for (; outcome == QUEUE_DONE; at += outcome == QUEUE_DONE ? PART : 0) {
        struct queued_write write = {.fd = ends[1], .vector = &part, .size = PART, .spares = true};
        part.iov_base = sent + at;
        write.version = mapping_version();
        struct stream *stream = stream_of(ends[1]);
        outcome = queue_write(stream, &write, DRAIN_BLOCK, &asked);
        stream_lock_release(stream);
        assert_int_equal(write.done, outcome == QUEUE_DONE ? PART : 0);
    }
    assert_int_equal(outcome, QUEUE_SPARED);
    assert_true(at > KEPT - 3 * PART && at <= KEPT + PIPE_SIZE);
    assert_int_equal(queue_bytes(ends[1], at, PART), QUEUE_DONE);
    expect(ends[0], sent, at + PART);
    wait_until_over(ends[1]);
}

/* The other pipe has all of the queue: to wait for space here would be to wait for its reader. */
static void test_another_pipe_has_it_all(void **state)
{
    (void)state;
    uint64_t queued;
    uint64_t at = fill(others[1]);
    assert_int_equal(queue_part(ends[1], 0, 50000, 0, DRAIN_BLOCK, &queued), QUEUE_NO_SPACE);
    assert_int_equal(queued, 0);
    expect(others[0], sent, at);
    wait_until_over(others[1]);
}

/* While somebody is inside the other queue nobody knows how much of it was sent meanwhile. */
static void test_another_pipe_is_not_counted(void **state)
{
    (void)state;
    uint64_t at = fill(others[1]);
    struct iovec part = {sent, 50000};
    struct queued_write write = {.fd = ends[1], .vector = &part, .size = 50000};
    write.version = mapping_version();
    uint32_t asked;
    struct stream *other = stream_of(others[1]); /* its lock is taken */
    struct stream *stream = stream_of(ends[1]);
    assert_int_equal(queue_write(stream, &write, DRAIN_DROP_OLD, &asked), QUEUE_NO_SPACE);
    assert_true(write.uncounted);
    stream_lock_release(other);
    assert_int_equal(queue_write(stream, &write, DRAIN_DROP_OLD, &asked), QUEUE_NO_SPACE);
    assert_false(write.uncounted);
    stream_lock_release(stream);
    expect(others[0], sent, at);
    wait_until_over(others[1]);
}

static struct stream *stuck;
static uint64_t arrived;

/* As the other queue is about to be counted, this one is read and sent to its end. */
static long read_all_meanwhile(long number, long a, long b, long c, long d, long e, long f)
{
    for (int tries = 0; tries < DEADLINE_MS && !stream_is_sent(stuck); tries++) {
        ssize_t part;
        while ((part = read(ends[0], received, sizeof received)) > 0)
            arrived += (uint64_t)part;
        poll(NULL, 0, 1);
    }
    return raw_syscall6(number, a, b, c, d, e, f);
}

/* What is sent while the bound is asked for was this pipe's: the write waits for a moment and is
 * queued. It was made directly once, and a signal cut it short (seen with SIGSTOP). */
static void test_sent_while_it_is_counted(void **state)
{
    enum { FOR_THE_OTHER = 4 * PIPE_SIZE };
    (void)state;
    assert_int_equal(queue_bytes(others[1], 0, FOR_THE_OTHER), QUEUE_DONE);
    struct stream *other = stream_of(others[1]);
    stream_lock_release(other);
    uint64_t at = fill(ends[1]);
    struct iovec part = {sent, BOUND / 2};
    struct queued_write write = {
        .fd = ends[1], .vector = &part, .size = part.iov_len, .version = mapping_version()};
    uint32_t asked;
    arrived = 0;
    stuck = stream_of(ends[1]);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    calls_replace(SYS_gettid, read_all_meanwhile);
    enum queue_outcome outcome = queue_write(stuck, &write, DRAIN_BLOCK, &asked);
    calls_restore();
    assert_true(stream_is_sent(stuck) || outcome == QUEUE_DONE);
    stream_lock_release(stuck);
    assert_int_equal(outcome, QUEUE_DONE);
    assert_int_equal(fcntl(ends[0], F_SETFL, 0), 0);
    for (; arrived < at + part.iov_len;) {
        ssize_t got = read(ends[0], received, sizeof received);
        assert_true(got > 0);
        arrived += (uint64_t)got;
    }
    expect(others[0], sent, FOR_THE_OTHER);
    for (int tries = 0; tries < DEADLINE_MS && atomic_load(&other->running); tries++) {
        episode_check(other, others[1]);
        poll(NULL, 0, 1);
    }
    wait_until_over(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_at_the_bound_it_waits, queue_case_begin,
                                        queue_case_end),
        cmocka_unit_test_setup_teardown(test_at_the_bound_the_new_one_is_dropped, queue_case_begin,
                                        queue_case_end),
        cmocka_unit_test_setup_teardown(test_at_the_bound_the_oldest_is_dropped, queue_case_begin,
                                        queue_case_end),
        cmocka_unit_test_setup_teardown(test_memory_is_spared, queue_case_begin, queue_case_end),
        cmocka_unit_test_setup_teardown(test_another_pipe_has_it_all, queue_case_begin,
                                        queue_case_end),
        cmocka_unit_test_setup_teardown(test_another_pipe_is_not_counted, queue_case_begin,
                                        queue_case_end),
        cmocka_unit_test_setup_teardown(test_sent_while_it_is_counted, queue_case_begin,
                                        queue_case_end),
    };
    return cmocka_run_group_tests(tests, queue_case_prepare, NULL);
}
