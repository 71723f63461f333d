// SPDX-License-Identifier: MIT
/* Which calls get a slot, when the watchdog is started for one, and what a claim does when the
 * kernel refuses it something. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "claim_case.h"

static char page[4096];

static void make_ready(void)
{
    assert_int_equal(write(ends[1], page, 1), 1);
}

static void test_a_read_that_waits(void **state)
{
    (void)state;
    struct slot *slot = slot_claim(CALL_read, ends[0], 1);
    assert_non_null(slot);
    assert_ptr_equal(slot, thread_slot);
    assert_int_equal(slot->tid, gettid());
    assert_true(slot->armed != 0);
    assert_true(slot->claimed_ns > 0);
    assert_int_equal(life->thread_state, THREAD_RUNNING);
    assert_int_equal(life->claiming, 0);
    assert_ptr_equal(slot_claim(CALL_write, ends[1], 1), slot); /* it keeps it */
}

static uint64_t clock_now;
static long set_clock(long number, long clock, long time, long c, long d, long e, long f)
{
    (void)number, (void)clock, (void)c, (void)d, (void)e, (void)f;
    *(struct timespec *)time =
        (struct timespec){(time_t)(clock_now / NS_PER_S), (long)(clock_now % NS_PER_S)};
    return 0;
}

/* `ls` never has a second thread, but one who goes on is watched after all. */
static void test_calls_that_cannot_block_now(void **state)
{
    (void)state;
    make_ready();
    calls_replace(SYS_clock_gettime, set_clock);
    clock_now = NS_PER_S;
    for (int i = 0; i < EARLY_CALLS; i++)
        assert_null(slot_claim(i % 2 ? CALL_write : CALL_read, ends[i % 2], 1));
    assert_int_equal(life->thread_state, THREAD_NONE);
    assert_ptr_equal(thread_slot, slot_none());
    assert_non_null(slot_claim(CALL_read, ends[0], 1));
    assert_int_equal(life->thread_state, THREAD_RUNNING);
}

/* make takes a token from its own pipe for each of a thousand jobs; not in a millisecond. */
static void test_calls_on_a_pipe_now_and_then(void **state)
{
    (void)state;
    make_ready();
    calls_replace(SYS_clock_gettime, set_clock);
    clock_now = NS_PER_S;
    for (int i = 0; i < 10 * EARLY_CALLS; i++) {
        assert_null(slot_claim(i % 2 ? CALL_write : CALL_read, ends[i % 2], 1));
        clock_now += NS_PER_MS;
    }
    assert_int_equal(life->thread_state, THREAD_NONE);
    int before = 0;
    clock_now += NS_PER_MS;
    while (!slot_claim(CALL_read, ends[0], 1)) {
        assert_true(before++ < 2 * EARLY_CALLS);
        clock_now += NS_PER_US;
    }
    assert_int_equal(life->thread_state, THREAD_RUNNING);
}

/* The kernel's word on other descriptors is not so exact. */
static void test_calls_on_no_pipe_now_and_then(void **state)
{
    (void)state;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(null >= 0);
    for (int i = 0; i < EARLY_CALLS; i++)
        assert_null(slot_claim(CALL_write, null, 1));
    assert_non_null(slot_claim(CALL_write, null, 1));
    close(null);
}

static void test_a_write_with_little_space(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(write(ends[1], page, sizeof page), sizeof page);
    assert_non_null(slot_claim(CALL_write, ends[1], 1));
}

static void test_a_write_beyond_what_a_pipe_surely_takes(void **state)
{
    (void)state;
    assert_non_null(slot_claim(CALL_write, ends[1], sizeof page + 1));
}

/* The kernel does not say how full it is: then it may block. */
static void test_what_cannot_be_asked(void **state)
{
    static const long of_a_pipe[] = {SYS_fcntl, SYS_ioctl};
    (void)state;
    make_ready();
    for (size_t i = 0; i < sizeof of_a_pipe / sizeof *of_a_pipe; i++) {
        /* A pipe that is none is polled, as a socket is. */
        calls_fail(of_a_pipe[i], 0, EBADF);
        assert_null(slot_claim(CALL_read, ends[0], 1));
        assert_true(calls_failed());
        calls_fail(of_a_pipe[i], 0, EBADF);
        calls_replace(SYS_ppoll, replaced_calls[of_a_pipe[i]]);
        assert_non_null(slot_claim(CALL_read, ends[0], 1));
        calls_restore();
        assert_true(watchdog_thread_stop(false, STOP_MS));
    }
}

static void test_a_socket_is_polled(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(write(pair[1], page, 1), 1);
    assert_null(slot_claim(CALL_read, pair[0], 1));
    assert_non_null(slot_claim(CALL_read, pair[1], 1)); /* there is nothing in it */
    close(pair[0]);
    close(pair[1]);
}

/* Only a write matters to all threads; then no system call is made. */
static void test_a_call_that_does_not_matter(void **state)
{
    (void)state;
    settings.loop = LOOP_NONE;
    calls_fail(ANY_CALL, 0, ENOSYS);
    assert_null(slot_claim(CALL_read, ends[0], 1));
    assert_null(slot_claim(CALL_poll, -1, 0));
    assert_int_equal(calls_seen(), 0);
    calls_restore();
    assert_non_null(slot_claim(CALL_write, ends[1], sizeof page + 1));
}

static void test_inert(void **state)
{
    (void)state;
    life_go_inert();
    life->pairs_made = 1; /* else a wait for a child is of no interest */
    calls_fail(ANY_CALL, 0, ENOSYS);
    assert_null(slot_claim(CALL_write, ends[1], sizeof page + 1));
    assert_null(slot_claim(CALL_waitpid, -1, 0));
    assert_int_equal(calls_seen(), 0);
    assert_int_equal(life->thread_state, THREAD_NONE);
}

/* Another thread installs a seccomp filter for all. */
static void test_barred(void **state)
{
    (void)state;
    life->claims_barred = 1;
    calls_fail(ANY_CALL, 0, ENOSYS);
    assert_null(slot_claim(CALL_write, ends[1], sizeof page + 1));
    assert_int_equal(calls_seen(), 0);
    assert_int_equal(life->claiming, 0);
    life->claims_barred = 0;
    calls_restore();
    assert_non_null(slot_claim(CALL_write, ends[1], sizeof page + 1));
}

/* A vfork child has its parent's memory: it records nothing, and starts nothing. */
static void test_another_process_in_this_memory(void **state)
{
    (void)state;
    life->pid = getpid() + 1;
    assert_null(slot_claim(CALL_write, ends[1], sizeof page + 1));
    assert_int_equal(life->thread_state, THREAD_NONE);
    assert_int_equal(life->claiming, 0);
    life->pid = getpid();
}

/* On a thread of its own, which has no slot yet. */
static void *claim_on_a_thread(void *slot)
{
    *(struct slot **)slot = slot_claim(CALL_write, ends[1], sizeof page + 1);
    return NULL;
}

static struct slot *claimed_by_another(void)
{
    pthread_t thread;
    struct slot *slot;
    assert_int_equal(pthread_create(&thread, NULL, claim_on_a_thread, &slot), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return slot;
}

/* Before any test that needs one: no chunk has been made. */
static void test_no_memory_for_a_slot(void **state)
{
    (void)state;
    /* The watchdog has its memory, or there is none at all. */
    for (unsigned nth = 1; nth < 10; nth++) {
        calls_fail(SYS_mmap, nth, ENOMEM);
        struct slot *slot = slot_claim(CALL_write, ends[1], sizeof page + 1);
        bool failed = calls_failed();
        calls_restore();
        assert_true(slot || failed);
        if (slot && failed) /* none where the first thread's mostly is */
            assert_ptr_not_equal(slot, &static_slots.first);
        assert_int_equal(life->claiming, 0);
        assert_ptr_equal(thread_slot, slot ? slot : slot_none());
        if (life->thread_state == THREAD_FORBIDDEN) /* said once, and never tried again */
            life->thread_state = THREAD_NONE;
        if (!failed)
            return;
    }
    fail(); /* it makes more mappings than one would think */
}

static void test_more_threads(void **state)
{
    (void)state;
    struct slot *own = slot_claim(CALL_write, ends[1], sizeof page + 1);
    struct slot *other = claimed_by_another();
    assert_non_null(other);
    assert_ptr_not_equal(own, other);
    assert_ptr_equal(thread_slot, own);
}

/* The watchdog has gone to sleep; who comes back from a wait wakes it, if he may be a loop. */
static void test_after_a_wait(void **state)
{
    (void)state;
    struct slot *slot = slot_claim(CALL_write, ends[1], sizeof page + 1);
    slots_disarm();
    life->wake = 0;
    slot_claim_after_wait(slot);
    assert_int_equal(slot->armed, 0);
    assert_int_equal(life->wake, 0);
    slot->waits[READINESS_EPOLL].returns = RETURNS_OF_A_LOOP;
    slot_claim_after_wait(slot);
    assert_true(slot->armed != 0);
    assert_int_equal(life->wake, 1);
}

/* Where the library never begins all calls pass, before the constructor has run they do not. */
static void test_never_begins(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        life_go_inert();
        if (slot_claim(CALL_write, ends[1], 1) || slot_none()->reads != READS_ASK)
            _exit(1);
        life_decided();
        if (slot_claim(CALL_write, ends[1], 1) || slot_none()->reads != CALLS_PASS)
            _exit(2);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    life_decided(); /* it has begun: that changes nothing */
    assert_false(life_never_begins());
    assert_true(life_active());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, claim_case_begin, claim_case_end)
    const struct CMUnitTest tests[] = {
        TEST(test_no_memory_for_a_slot),
        TEST(test_a_read_that_waits),
        TEST(test_calls_that_cannot_block_now),
        TEST(test_calls_on_a_pipe_now_and_then),
        TEST(test_calls_on_no_pipe_now_and_then),
        TEST(test_a_write_with_little_space),
        TEST(test_a_write_beyond_what_a_pipe_surely_takes),
        TEST(test_what_cannot_be_asked),
        TEST(test_a_socket_is_polled),
        TEST(test_a_call_that_does_not_matter),
        TEST(test_inert),
        TEST(test_never_begins),
        TEST(test_barred),
        TEST(test_another_process_in_this_memory),
        TEST(test_more_threads),
        TEST(test_after_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
