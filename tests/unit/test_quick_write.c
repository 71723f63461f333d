// SPDX-License-Identifier: MIT
/* Which writes are queued without further questions, and that all others are left to drain_write().
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "drain/burst.h"
#include "drain/drain.h"
#include "drain/mapping_changes.h"
#include "drain/quick_write.h"
#include "drain/settings.h"
#include "drain/stream_table.h"
#include "process/life.h"
#include "queue_case.h"
#include "slots/slot.h"

enum { LINE = 80, PAGE = 4096 };

static struct slot own_slot;
static uint64_t written; /* of `sent` */

static int prepare(void **state)
{
    atomic_store(&life->pid, (int32_t)getpid()); /* else nothing is remembered of a descriptor */
    int result = queue_case_prepare(state);
    drain_name("all");
    return result;
}

/* All of a full pipe's that comes now is queued. */
static void queue_slowly(uint64_t size)
{
    struct iovec part = {sent + written, size};
    assert_int_equal(drain_write(ends[1], &part, 1, true, DIRECT_NOT_TRIED), (ssize_t)size);
    written += size;
}

static struct stream *own_stream(void)
{
    struct stream *stream = stream_of(ends[1]);
    stream_lock_release(stream);
    return stream;
}

static int begin(void **state)
{
    int result = queue_case_begin(state);
    written = 0;
    own_slot.tid = (int32_t)gettid();
    atomic_store(&own_slot.sequence, 1);
    thread_slot = &own_slot;
    while (!atomic_load(&own_stream()->running))
        queue_slowly(PAGE);
    return result;
}

static bool queue_quickly(uint64_t size)
{
    if (!quick_write(ends[1], sent + written, size))
        return false;
    written += size;
    return true;
}

/* A look at the clock may be due now and then, of which drain_write() makes more. */
static bool is_quick(void)
{
    enum { TRIES = 1000 };
    for (int i = 0; i < TRIES; i++) {
        if (queue_quickly(LINE))
            return true;
        queue_slowly(LINE);
    }
    return false;
}

/* Not for want of what is remembered of the descriptor. */
static bool never_is_quick(void)
{
    enum { TRIES = 100 };
    struct descriptor descriptor;
    for (int i = 0; i < TRIES; i++) {
        descriptor_of(ends[1], ticks_now(), TICKS_ABOUT_1_MS, &descriptor);
        if (queue_quickly(LINE))
            return false;
    }
    return true;
}

static void test_the_order_is_that_of_the_writes(void **state)
{
    (void)state;
    assert_true(is_quick());
    while (written < BOUND / 2) {
        if (!queue_quickly(1 + written % 200))
            queue_slowly(1 + written % 300);
    }
    expect(ends[0], sent, written);
}

/* What is next to a full chunk is no memory of the queue's yet. */
static void test_ends_of_chunks(void **state)
{
    (void)state;
    enum { CHUNKS = 4, WRITES = 100 };
    struct channel *channel = atomic_load(&own_stream()->channel);
    for (int i = 0; i < CHUNKS; i++) {
        queue_slowly(chunk_rest(channel_head(channel)) - sizeof(struct record));
        assert_false(queue_quickly(LINE));
        for (int k = 0; k < WRITES; k++)
            if (!queue_quickly(LINE))
                queue_slowly(LINE);
    }
    expect(ends[0], sent, written);
}

static void test_what_is_large(void **state)
{
    (void)state;
    assert_true(is_quick());
    assert_false(queue_quickly(PAGE + 1));
    assert_false(queue_quickly(0));
}

static void test_memory_that_cannot_be_read(void **state)
{
    (void)state;
    char *bad = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(bad, MAP_FAILED);
    assert_true(is_quick());
    assert_false(quick_write(ends[1], bad, LINE));
    assert_false(quick_write(ends[1], bad - 1, 0));
    assert_true(is_quick());
    mapping_change_begins();
    assert_true(never_is_quick());
    mapping_change_ends();
    assert_true(is_quick());
    munmap(bad, PAGE);
}

static void test_another_descriptor(void **state)
{
    (void)state;
    assert_true(is_quick());
    assert_false(quick_write(-1, sent, LINE));
    assert_false(quick_write(others[1], sent, LINE));
    drain_name("off");
    assert_true(never_is_quick());
    drain_name("all");
    assert_true(is_quick());
    descriptor_changes((unsigned)ends[1], (unsigned)ends[1]);
    assert_true(never_is_quick());
    descriptor_changed((unsigned)ends[1], (unsigned)ends[1]);
    assert_true(is_quick());
}

static void test_somebody_may_have_to_come_first(void **state)
{
    (void)state;
    assert_true(is_quick());
    descriptor_child_ended();
    assert_true(never_is_quick());
    assert_true(is_quick());
    struct stream *stream = stream_of(ends[1]);
    assert_true(never_is_quick());
    stream->line_seen = TICKS_LONG_AGO;
    stream_lock_release(stream);
    assert_true(never_is_quick());
    assert_true(is_quick());
}

static void test_a_queue_that_does_not_go_on(void **state)
{
    (void)state;
    assert_true(is_quick());
    struct stream *stream = own_stream();
    struct channel *channel = atomic_load(&stream->channel);
    uint64_t before = atomic_load(&drain_state->queued);
    atomic_store(&drain_state->queued, BOUND);
    assert_true(never_is_quick());
    atomic_store(&drain_state->queued, before);
    assert_true(is_quick());
    atomic_store(&channel->reader_is_quick, 1); /* it is waited for */
    assert_true(never_is_quick());
    atomic_store(&channel->reader_is_quick, 0);
    assert_true(is_quick());
    while (atomic_load(&channel->tail) == 0)
        usleep(1000);
    assert_true(is_quick());
    stream->counted -= LINE; /* as if the helper had taken something since */
    assert_true(never_is_quick());
    assert_true(is_quick());
    uint64_t tail = atomic_load(&channel->tail), counted = stream->counted;
    stream->counted = atomic_load(&channel->head);
    atomic_store(&channel->tail, stream->counted); /* as if it had taken all: the pipe is next */
    assert_true(never_is_quick());
    atomic_store(&channel->tail, tail);
    stream->counted = counted;
    assert_true(is_quick());
    kill(atomic_load(&stream->helper), SIGKILL);
    while (!helper_was_killed(channel)) /* or the test's time is over */
        usleep(1000);
    assert_true(never_is_quick());
    assert_true(is_quick()); /* of the next one */
    atomic_fetch_or(&channel->head, CHANNEL_SEALED);
    assert_true(never_is_quick());
}

static void test_a_reader_that_has_gone(void **state)
{
    (void)state;
    assert_true(is_quick());
    close(ends[0]);
    own_stream()->reader_seen = TICKS_LONG_AGO; /* what was seen is believed for 20 us */
    assert_true(never_is_quick());
    assert_int_equal(pipe(others), 0);
    ends[0] = others[0]; /* to be closed */
}

static void test_bursts_of_write_behind(void **state)
{
    (void)state;
    assert_true(is_quick());
    drain_settings.write_behind_mode = true;
    burst_last = 0;
    assert_true(never_is_quick());
    assert_true(is_quick());
    bool two = false; /* in a row, each a call of its own */
    for (int tries = 0; tries < 1000 && !two; tries++) {
        queue_slowly(LINE);
        atomic_fetch_add(&own_slot.sequence, 2);
        bool one = queue_quickly(LINE);
        atomic_fetch_add(&own_slot.sequence, 2);
        two = queue_quickly(LINE) && one;
    }
    assert_true(two);
    atomic_fetch_add(&own_slot.sequence, 4); /* another call in between */
    assert_true(never_is_quick());
    assert_true(is_quick());
    drain_settings.write_behind_mode = false;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, queue_case_end)
    const struct CMUnitTest tests[] = {
        CASE(test_the_order_is_that_of_the_writes),
        CASE(test_ends_of_chunks),
        CASE(test_what_is_large),
        CASE(test_memory_that_cannot_be_read),
        CASE(test_another_descriptor),
        CASE(test_somebody_may_have_to_come_first),
        CASE(test_a_queue_that_does_not_go_on),
        CASE(test_bursts_of_write_behind),
        CASE(test_a_reader_that_has_gone),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
