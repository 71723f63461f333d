// SPDX-License-Identifier: MIT
/* Which writes may be made untested: on real pipes, with what the drainer knows set by hand. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "drain/headroom.h"

enum { SMALL = 64 };

static struct slot slot = {.fd = -1};
static struct drain_state state_of_drain;
__thread struct slot *thread_slot = &slot;
struct drain_state *drain_state = &state_of_drain;
_Atomic uint32_t descriptors_children_ended = 1;
static int ends[2];

static int begin(void **state)
{
    (void)state;
    slot.armed = 1;
    slot.sequence = 7;
    slot.untested = 0;
    state_of_drain.active = 0;
    headroom_watched = true;
    return pipe2(ends, O_NONBLOCK); /* what does not fit fails, and does not hang */
}

static int end(void **state)
{
    (void)state;
    headroom_forget((unsigned)ends[1]);
    close(ends[0]);
    return close(ends[1]);
}

/* A write came just before, whenever this goes on: one that comes alone is not worth a look. */
static bool begin_among_others(size_t size)
{
    headrooms[ends[1]].tested = ticks_now() + TICKS_ABOUT_1_MS * 1000ULL;
    return headroom_begin(ends[1], size);
}

/* Bytes that are let pass before somebody asks again; they are written. */
static long passed(size_t size)
{
    static char record[HEADROOM_LIMIT];
    long bytes = 0;
    for (bool pass = begin_among_others(size); pass; pass = headroom_ask(ends[1], size)) {
        assert_int_equal(write(ends[1], record, size), size);
        bytes += (long)size;
    }
    return bytes;
}

static void test_quarter_of_an_empty_pipe(void **state)
{
    (void)state;
    assert_int_equal(fcntl(ends[1], F_GETPIPE_SZ), 64 * 1024);
    assert_true(begin_among_others(SMALL));
    assert_int_equal(slot.untested, 7);
    assert_int_equal(headrooms[ends[1]].left, 16 * 1024 - SMALL);
    headroom_forget((unsigned)ends[1]);
    assert_in_range(passed(HEADROOM_LIMIT), HEADROOM_LIMIT, 16 * 1024);
}

static void test_one_page_of_a_small_pipe(void **state)
{
    (void)state;
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BUF), PIPE_BUF);
    assert_true(begin_among_others(SMALL));
    assert_int_equal(headrooms[ends[1]].left, PIPE_BUF - SMALL);
    headroom_forget((unsigned)ends[1]);
    assert_in_range(passed(SMALL), SMALL, PIPE_BUF);
}

static void test_nothing_of_a_pipe_that_is_not_empty(void **state)
{
    (void)state;
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_false(begin_among_others(SMALL));
    assert_false(headroom_take(ends[1], SMALL));
}

static void test_no_large_write(void **state)
{
    (void)state;
    assert_false(begin_among_others(HEADROOM_LIMIT + 1));
    assert_true(begin_among_others(HEADROOM_LIMIT));
    assert_false(headroom_take(ends[1], HEADROOM_LIMIT + 1));
    assert_false(headroom_take(-1, SMALL));
    assert_false(headroom_take(HEADROOM_FDS, SMALL));
}

static void test_not_without_a_watchdog(void **state)
{
    (void)state;
    headroom_watched = false;
    assert_false(begin_among_others(SMALL));
    headroom_watched = true;
    slot.armed = 0;
    assert_false(begin_among_others(SMALL));
}

static void test_not_of_a_write_that_comes_alone(void **state)
{
    (void)state;
    headrooms[ends[1]].tested = ticks_now() - TICKS_IN_100_US;
    assert_false(headroom_begin(ends[1], SMALL));
    assert_int_equal(headrooms[ends[1]].left, 0);
}

/* What others of the program's writes have filled is none. */
static void test_tested_writes_take_from_it(void **state)
{
    (void)state;
    assert_true(begin_among_others(SMALL));
    headroom_spend(ends[1], 8 * 1024);
    assert_int_equal(headrooms[ends[1]].left, 8 * 1024 - SMALL);
    headroom_spend(ends[1], 65536);
    headroom_spend(ends[1], 65536);
    assert_in_range(-headrooms[ends[1]].left, 1, 65536);
    assert_false(headroom_take(ends[1], SMALL));
    headroom_spend(-1, 1);
    headroom_spend(HEADROOM_FDS, 1);
}

enum ending { NOTHING, TIME, NO_BYTES, A_QUEUE, A_CHILD, ANOTHER_PIPE };

/* How often, of many times, a write is let pass when this has come between. The pipe is not empty:
 * no new headroom is granted. */
static int passes_after(enum ending ending)
{
    struct headroom *space = &headrooms[ends[1]];
    int passes = 0;
    for (int i = 0; i < 1000; i++) {
        space->asked = ticks_now() - (ending == TIME ? TICKS_IN_100_US : 0);
        space->left = ending == NO_BYTES ? SMALL - 1 : PIPE_BUF;
        space->free_since = descriptors_children_ended;
        state_of_drain.active = ending == A_QUEUE;
        descriptors_children_ended += ending == A_CHILD;
        if (ending == ANOTHER_PIPE)
            headroom_forget((unsigned)ends[1]);
        passes += headroom_take(ends[1], SMALL);
    }
    return passes;
}

static void test_what_ends_it(void **state)
{
    (void)state;
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_in_range(passes_after(NOTHING), 1, 1000); /* it may be late at times */
    for (enum ending ending = TIME; ending <= ANOTHER_PIPE; ending++)
        assert_int_equal(passes_after(ending), 0);
}

static void test_rescue_doubles_the_pipe(void **state)
{
    (void)state;
    long before = fcntl(ends[1], F_GETPIPE_SZ);
    headroom_rescue(ends[1]);
    assert_int_equal(fcntl(ends[1], F_GETPIPE_SZ), 2 * before);
    headroom_rescue(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_quarter_of_an_empty_pipe, begin, end),
        cmocka_unit_test_setup_teardown(test_one_page_of_a_small_pipe, begin, end),
        cmocka_unit_test_setup_teardown(test_nothing_of_a_pipe_that_is_not_empty, begin, end),
        cmocka_unit_test_setup_teardown(test_no_large_write, begin, end),
        cmocka_unit_test_setup_teardown(test_not_without_a_watchdog, begin, end),
        cmocka_unit_test_setup_teardown(test_not_of_a_write_that_comes_alone, begin, end),
        cmocka_unit_test_setup_teardown(test_tested_writes_take_from_it, begin, end),
        cmocka_unit_test_setup_teardown(test_what_ends_it, begin, end),
        cmocka_unit_test_setup_teardown(test_rescue_doubles_the_pipe, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
