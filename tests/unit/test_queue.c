// SPDX-License-Identifier: MIT
/* A queued write, from the writers' side: with real helpers and pipes, at the bound, and with each
 * system call refused. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "drain/drain.h"
#include "drain/episode.h"
#include "drain/mapping_changes.h"
#include "drain/queue.h"
#include "drain/space.h"
#include "drain/stream_table.h"
#include "drain/totals.h"
#include "failing_calls.h"

enum { BOUND = 1 << 20, PIPE_SIZE = 4096, DEADLINE_MS = 60000 };

static struct drain_options options = {.fds = "all", .max = BOUND, .exit_ns = NS_PER_S};
static int ends[2], others[2];
static char sent[2 * BOUND], received[2 * BOUND];

static void make_pipe(int pair[2])
{
    assert_int_equal(pipe(pair), 0);
    assert_true(fcntl(pair[1], F_SETPIPE_SZ, PIPE_SIZE) >= PIPE_SIZE);
}

static int begin(void **state)
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

static struct stream *stream_of(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    struct stream *stream = stream_find_locked(status.st_dev, status.st_ino);
    assert_non_null(stream);
    return stream;
}

static enum queue_outcome queue_part(int fd, uint64_t at, uint64_t size, uint64_t done,
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

static enum queue_outcome queue_bytes(int fd, uint64_t at, uint64_t size)
{
    return queue_part(fd, at, size, 0, DRAIN_BLOCK, NULL);
}

/* So many bytes, which must come, and nothing more. */
static void expect(int fd, const char *bytes, uint64_t size)
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

/* Until the helper has gone, and its episode is over: nothing is queued any more. */
static void wait_until_over(int fd)
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

static int end(void **state)
{
    (void)state;
    calls_restore();
    close(ends[0]);
    close(ends[1]);
    close(others[0]);
    return close(others[1]);
}

static uint64_t queued_until_now(void)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < atomic_load(&drain_state->known); i++)
        bytes += atomic_load(&drain_state->streams[i].queued_bytes);
    return bytes;
}

static void test_what_is_queued_arrives(void **state)
{
    (void)state;
    uint64_t before = queued_until_now();
    static const uint64_t sizes[] = {1, 7, 8, 4096, 65535, 65536, 65537, 131072, 200001, 13};
    uint64_t at = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t queued;
        assert_int_equal(queue_part(ends[1], at, sizes[i], 0, DRAIN_BLOCK, &queued), QUEUE_DONE);
        assert_int_equal(queued, sizes[i]);
        at += sizes[i];
    }
    assert_int_equal(queued_until_now() - before, at);
    assert_true(queue_totals.episodes >= 1); /* a helper that was quicker has left meanwhile */
    expect(ends[0], sent, at);
    wait_until_over(ends[1]);
    assert_int_equal(queue_totals.dropped_writes, 0);
    assert_int_equal(drain_fallbacks(), 0);
}

/* Mappings that are shared with helpers. */
static unsigned mappings(void)
{
    char line[512];
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps))
        count += strstr(line, "pipeshim-drain") != NULL;
    fclose(maps);
    return count;
}

/* Each system call that a kernel may refuse, each time that it is made: all of the write is queued,
 * and arrives, or nothing of it is, and nothing is left behind. True: one was refused. */
static bool queue_with_one_refused(long number, unsigned nth, int error, unsigned *not_possible)
{
    unsigned before = open_descriptors();
    uint64_t queued;
    calls_fail(number, nth, error);
    enum queue_outcome outcome = queue_part(ends[1], 0, 20000, 0, DRAIN_BLOCK, &queued);
    bool refused = calls_failed();
    calls_restore();
    unsigned fallbacks = drain_fallbacks();
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1); /* no child is left */
    assert_true(outcome == QUEUE_DONE || outcome == QUEUE_NOT_POSSIBLE);
    assert_int_equal(queued, outcome == QUEUE_DONE ? 20000 : 0);
    assert_true(refused || outcome == QUEUE_DONE);
    if (outcome == QUEUE_DONE) {
        expect(ends[0], sent, 20000);
    } else {
        ++*not_possible;
        assert_true(fallbacks & (DRAIN_NO_HELPER | DRAIN_NO_MEMORY));
        /* The next one is queued, by the helper that is there or by another. */
        assert_int_equal(queue_bytes(ends[1], 0, 100), QUEUE_DONE);
        expect(ends[0], sent, 100);
    }
    wait_until_over(ends[1]);
    return refused;
}

static void test_each_call_refused(void **state)
{
    static const struct {
        long number;
        int error;
        bool needed;
    } calls[] = {
        {SYS_memfd_create, EMFILE, true}, {SYS_memfd_create, ENOMEM, true},
        {SYS_ftruncate, EINVAL, true},    {SYS_mmap, ENOMEM, true},
        {SYS_madvise, ENOMEM, true},      {SYS_madvise, EINVAL, true},
        {SYS_clone, EAGAIN, true},        {SYS_pidfd_open, EMFILE, false},
        {SYS_pidfd_open, ENOSYS, false},  {SYS_prctl, EINVAL, false},
        {SYS_ppoll, EINTR, false},        {SYS_fstat, EBADF, false},
    };
    (void)state;
    assert_int_equal(queue_bytes(ends[1], 0, 100), QUEUE_DONE);
    expect(ends[0], sent, 100);
    wait_until_over(ends[1]);
    unsigned mapped = mappings(); /* the channel stays for the next */
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        unsigned not_possible = 0;
        for (unsigned nth = 1;
             queue_with_one_refused(calls[i].number, nth, calls[i].error, &not_possible); nth++)
            continue;
        assert_int_equal(not_possible > 0, calls[i].needed);
        assert_int_equal(mappings(), mapped);
    }
}

static void test_no_memory_for_more(void **state)
{
    (void)state;
    uint64_t queued;
    assert_int_equal(queue_bytes(ends[1], 0, 60000), QUEUE_DONE);
    /* The pages of the second chunk, or its addresses, cannot be had. */
    calls_fail(SYS_mremap, 0, ENOMEM);
    assert_int_equal(queue_part(ends[1], 60000, 60000, 0, DRAIN_BLOCK, &queued),
                     QUEUE_NOT_POSSIBLE);
    assert_true(calls_failed());
    assert_int_equal(queued, 0);
    calls_fail(SYS_madvise, 1, ENOMEM);
    assert_int_equal(queue_part(ends[1], 60000, 60000, 0, DRAIN_BLOCK, &queued),
                     QUEUE_NOT_POSSIBLE);
    assert_true(calls_failed());
    assert_int_equal(drain_fallbacks(), DRAIN_NO_MEMORY);
    calls_restore();
    /* Memory is there again: it goes on in order, and what was queued is not lost. */
    assert_int_equal(queue_bytes(ends[1], 60000, 60000), QUEUE_DONE);
    expect(ends[0], sent, 120000);
    wait_until_over(ends[1]);
}

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

/* The other pipe has all of the queue: to wait for space here would be to wait for its reader. */
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

/* A stream that was sealed takes nothing more; the next one comes after it. */
static void test_a_sealed_stream(void **state)
{
    (void)state;
    assert_int_equal(queue_bytes(ends[1], 0, 30000), QUEUE_DONE);
    struct stream *stream = stream_of(ends[1]);
    stream_seal(stream);
    struct iovec part = {sent + 30000, 30000};
    struct queued_write write = {
        .fd = ends[1], .vector = &part, .size = 30000, .done = 0, .version = mapping_version()};
    uint32_t asked;
    assert_int_equal(queue_write(stream, &write, DRAIN_BLOCK, &asked), QUEUE_ELSEWHERE);
    assert_int_equal(write.done, 0);
    stream_lock_release(stream);
    assert_ptr_not_equal(stream_of(ends[1]), stream);
    stream_lock_release(stream_of(ends[1]));
    expect(ends[0], sent, 30000);
}

/* Its holder stood still before it began anything, and found it sealed: a helper of it would be
 * after that of the next one in the line, and send what this thread wrote first after what it wrote
 * then. */
static void test_a_stream_that_was_sealed_before_it_began(void **state)
{
    (void)state;
    struct stream *stream = stream_of(ends[1]);
    stream_seal(stream);
    struct iovec part = {sent, 30000};
    struct queued_write write = {
        .fd = ends[1], .vector = &part, .size = 30000, .done = 0, .version = mapping_version()};
    uint32_t asked;
    assert_int_equal(queue_write(stream, &write, DRAIN_BLOCK, &asked), QUEUE_ELSEWHERE);
    assert_int_equal(write.done, 0);
    assert_int_equal(atomic_load(&stream->running), 0);
    stream_lock_release(stream);
}

/* The same while its helper was being made: that one leaves at once, and nobody waits behind it. */
static void test_a_stream_that_was_sealed_while_it_began(void **state)
{
    (void)state;
    struct stream *stream = stream_of(ends[1]);
    stream_seal(stream);
    assert_true(episode_go_on(stream, ends[1]));
    struct channel *channel = atomic_load(&stream->channel);
    assert_true(atomic_load(&channel->head) & CHANNEL_SEALED);
    while (!channel_has_left(channel)) /* or the test's time is over */
        sched_yield();
    assert_int_equal(atomic_load(&channel->open), 0);
    episode_check_locked(stream, ends[1]);
    assert_int_equal(atomic_load(&stream->running), 0);
    stream_lock_release(stream);
}

static int prepare(void **state)
{
    (void)state;
    return drain_begin(&options) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_queued_arrives, begin, end),
        cmocka_unit_test_setup_teardown(test_each_call_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_no_memory_for_more, begin, end),
        cmocka_unit_test_setup_teardown(test_at_the_bound_it_waits, begin, end),
        cmocka_unit_test_setup_teardown(test_at_the_bound_the_new_one_is_dropped, begin, end),
        cmocka_unit_test_setup_teardown(test_at_the_bound_the_oldest_is_dropped, begin, end),
        cmocka_unit_test_setup_teardown(test_memory_is_spared, begin, end),
        cmocka_unit_test_setup_teardown(test_another_pipe_has_it_all, begin, end),
        cmocka_unit_test_setup_teardown(test_another_pipe_is_not_counted, begin, end),
        cmocka_unit_test_setup_teardown(test_a_sealed_stream, begin, end),
        cmocka_unit_test_setup_teardown(test_a_stream_that_was_sealed_before_it_began, begin, end),
        cmocka_unit_test_setup_teardown(test_a_stream_that_was_sealed_while_it_began, begin, end),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
