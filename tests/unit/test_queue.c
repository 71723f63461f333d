// SPDX-License-Identifier: MIT
/* A queued write, from the writers' side: what is queued arrives, in its order. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "drain/drain.h"
#include "drain/episode.h"
#include "drain/mapping_changes.h"
#include "drain/queue.h"
#include "drain/stream_table.h"
#include "drain/totals.h"
#include "failing_calls.h"
#include "queue_case.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

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

static uint64_t most_made; /* bytes of pages, by one call */
static uint64_t all_made;  /* by all */
static unsigned made;      /* calls */

static long note_pages(long number, long a, long b, long c, long d, long e, long f)
{
    if (c == MADV_POPULATE_WRITE) {
        made++;
        all_made += (uint64_t)b;
        most_made = (uint64_t)b > most_made ? (uint64_t)b : most_made;
    }
    return raw_syscall6(number, a, b, c, d, e, f);
}

/* So that no small write pays for all of a chunk; a large one makes its pages at once. */
static void test_pages_are_made_piece_by_piece(void **state)
{
    (void)state;
    enum { SMALL = 1000, WRITES = 200, PIECE = 16 * 1024, LARGE = 200000 };
    made = 0;
    most_made = 0;
    all_made = 0;
    calls_replace(SYS_madvise, note_pages);
    for (uint64_t i = 0; i < WRITES; i++)
        assert_int_equal(queue_bytes(ends[1], i * SMALL, SMALL), QUEUE_DONE);
    assert_true(all_made >= WRITES * SMALL && most_made <= PIECE);
    made = 0;
    assert_int_equal(queue_bytes(ends[1], WRITES * SMALL, LARGE), QUEUE_DONE);
    assert_true(made <= LARGE / CHUNK_LEAST + 2);
    calls_restore();
    expect(ends[0], sent, WRITES * SMALL + LARGE);
    wait_until_over(ends[1]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_queued_arrives, queue_case_begin,
                                        queue_case_end),
        cmocka_unit_test_setup_teardown(test_pages_are_made_piece_by_piece, queue_case_begin,
                                        queue_case_end),
        cmocka_unit_test_setup_teardown(test_a_sealed_stream, queue_case_begin, queue_case_end),
        cmocka_unit_test_setup_teardown(test_a_stream_that_was_sealed_before_it_began,
                                        queue_case_begin, queue_case_end),
        cmocka_unit_test_setup_teardown(test_a_stream_that_was_sealed_while_it_began,
                                        queue_case_begin, queue_case_end),
    };
    return cmocka_run_group_tests(tests, queue_case_prepare, NULL);
}
