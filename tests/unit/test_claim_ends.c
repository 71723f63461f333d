// SPDX-License-Identifier: MIT
/* Which waits of a parent get a slot: those while a child has the other end of a pipe of ours. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "claim_case.h"

/* Of each kind of wait that a parent makes. */
static void assert_waits(bool matter)
{
    static const enum call_id waits[] = {CALL_waitpid, CALL_sleep};
    struct pollfd own = {.fd = ends[0], .events = POLLIN};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        struct slot *slot = slot_claim(waits[i], -1, 0);
        if (matter)
            assert_matters(slot);
        else
            assert_null(slot);
        life->ends_asked = life->both_asked = 0;
    }
    struct slot *slot = claim_poll(&own, 1);
    if (matter)
        assert_matters(slot);
    else
        assert_null(slot);
    assert_int_equal(life->thread_state, THREAD_NONE);
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails must not leave it */
        for (;;)
            pause();
    }
    assert_true(child > 0);
    return child;
}

static void end_child(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* A child that is no copy any more; with the pair's ends at these numbers, -1: without it. */
static pid_t start_program(const int pair[2], int reads, int writes)
{
    int started[2];
    char byte;
    assert_int_equal(pipe2(started, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int copies[2] = {fcntl(pair[0], F_DUPFD_CLOEXEC, 100),
                         fcntl(pair[1], F_DUPFD_CLOEXEC, 100)};
        close(pair[0]);
        close(pair[1]);
        if (reads >= 0)
            dup2(copies[0], reads);
        if (writes >= 0)
            dup2(copies[1], writes);
        execlp("sleep", "sleep", "600", (char *)NULL);
        _exit(1);
    }
    assert_true(child > 0);
    close(started[1]);
    assert_int_equal(read(started[0], &byte, 1), 0); /* closed by the exec */
    close(started[0]);
    assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
    return child;
}

/* A parent that forgot to close its child's end, and pipes that it has for itself. */
static void test_both_ends_are_kept(void **state)
{
    (void)state;
    enum { COPY = -2 };
    static const struct {
        int reads, writes, flags;
        bool matter;
    } cases[] = {
        {-1, -1, 0, false},              /* the child has none */
        {COPY, COPY, 0, true},           /* not known yet */
        {COPY, COPY, O_NONBLOCK, false}, /* a worker that has its server's self-pipe */
        {50, 51, 0, false},              /* the jobserver's pipe */
        {-1, 1, 0, true},                /* its stdout */
        {0, -1, O_NONBLOCK, true},       /* its stdin */
        {50, 2, 0, true},                /* its stderr, and a reading end that was forgotten */
        {-1, 51, 0, true},
        {50, -1, 0, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int pair[2];
        assert_int_equal(pipe2(pair, cases[i].flags), 0);
        pairs_remember(pair);
        pid_t child = cases[i].reads == COPY ? start_child()
                                             : start_program(pair, cases[i].reads, cases[i].writes);
        assert_waits(cases[i].matter);
        end_child(child);
        assert_waits(false);
        close(pair[0]);
        close(pair[1]);
    }
}

/* make waits for each of its jobs, and has its jobserver's pipe: ever more seldom. */
static void test_both_ends_are_asked_for_seldom(void **state)
{
    (void)state;
    enum { WAITS = 1000 };
    int pair[2];
    unsigned asked = 0;
    assert_int_equal(pipe(pair), 0);
    pairs_remember(pair);
    pid_t child = start_child();
    for (unsigned i = 0; i < WAITS; i++) {
        struct slot *slot = slot_claim(CALL_waitpid, -1, 0);
        if (slot) {
            asked++;
            assert_matters(slot);
        }
    }
    assert_in_range(asked, 8, 16);
    end_child(child);
    close(pair[0]);
    close(pair[1]);
}

/* make's pipe for its jobs' stdin: nobody has its writing end. */
static void test_an_end_that_nobody_has(void **state)
{
    (void)state;
    int pair[2];
    pid_t child = start_child();
    assert_int_equal(pipe(pair), 0);
    pairs_remember(pair);
    close(pair[1]);
    assert_waits(false);
    assert_int_equal(life->pairs[0], 0); /* it is not asked again */
    close(pair[0]);
    end_child(child);
}

static void test_an_end_that_a_child_has(void **state)
{
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        int pair[2];
        assert_int_equal(pipe2(pair, O_NONBLOCK), 0);
        pairs_remember(pair);
        pid_t child = start_child();
        assert_waits(false); /* it has both */
        close(pair[1 - kept]);
        assert_waits(true);
        end_child(child);
        assert_waits(false);
        close(pair[kept]);
    }
}

/* Its number is another pipe's by now, or a file's. */
static void test_an_end_whose_number_is_reused(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "/dev/null"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int pair[2], more[2];
        assert_int_equal(pipe(pair), 0);
        pairs_remember(pair);
        pid_t child = start_child();
        close(pair[1]);
        if (names[i]) {
            more[0] = more[1] = open(names[i], O_RDONLY | O_CLOEXEC);
        } else {
            assert_int_equal(pipe(more), 0);
            pairs_remember(more);
        }
        assert_int_equal(more[0], pair[1]);
        assert_waits(true);
        end_child(child);
        assert_waits(false);
        close(pair[0]);
        close(more[0]);
        if (!names[i])
            close(more[1]);
        assert_waits(false);
    }
}

/* dup2() to another number, then a child gets it. */
static void test_an_end_with_another_number(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    pairs_remember(pair);
    int other = fcntl(pair[1], F_DUPFD, 40);
    close(pair[1]);
    assert_null(slot_claim(CALL_waitpid, -1, -1));
    pid_t child = start_child();
    assert_matters(slot_claim(CALL_waitpid, -1, -1));
    close(other);
    end_child(child);
    close(pair[0]);
}

/* Whom a socket leads to is not asked, nor what cannot be known. */
static void test_ends_that_are_not_known(void **state)
{
    static const long of_proc[] = {SYS_readlinkat, SYS_openat, SYS_getdents64};
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pairs_remember(pair);
    close(pair[1]);
    assert_matters(slot_claim(CALL_waitpid, -1, -1));
    close(pair[0]);
    assert_null(slot_claim(CALL_waitpid, -1, -1));
    assert_int_equal(pipe(pair), 0);
    pairs_remember(pair);
    close(pair[1]);
    for (size_t i = 0; i < sizeof of_proc / sizeof *of_proc; i++) {
        life->ends_asked = 0;
        calls_fail(of_proc[i], 0, EACCES);
        struct slot *slot = slot_claim(CALL_waitpid, -1, -1);
        assert_true(calls_failed());
        calls_restore();
        assert_matters(slot);
    }
    life->ends_asked = ASKED_AT_MOST; /* enough */
    assert_matters(slot_claim(CALL_waitpid, -1, -1));
    life->ends_asked = 0;
    life->pid++; /* a vfork child: its descriptors say nothing of its parent's */
    assert_null(slot_claim(CALL_waitpid, -1, -1));
    life->pid--;
    assert_int_not_equal(life->pairs[1], 0);
    close(pair[0]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, claim_case_begin, claim_case_end)
    const struct CMUnitTest tests[] = {
        TEST(test_an_end_that_nobody_has),
        TEST(test_an_end_that_a_child_has),
        TEST(test_both_ends_are_kept),
        TEST(test_both_ends_are_asked_for_seldom),
        TEST(test_an_end_whose_number_is_reused),
        TEST(test_an_end_with_another_number),
        TEST(test_ends_that_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
