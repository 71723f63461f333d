// SPDX-License-Identifier: MIT
/* Which calls get a slot, when the watchdog is started for one, and what a claim does when the
 * kernel refuses it something. doors/ is not in what unit tests link: these are the files
 * themselves. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "doors/claim.c"     // NOLINT(bugprone-suspicious-include)
#include "doors/held_ends.c" // NOLINT(bugprone-suspicious-include)
#include "doors/own_wait.c"  // NOLINT(bugprone-suspicious-include)
#include "failing_calls.h"

enum { LIFE_SIZE = sizeof(struct life) + SLOT_LIMIT / 8, STOP_MS = 60000 };

static int ends[2];
static char page[4096];

/* What stands for the watchdog: on its thread, without libc. */
static void stand_by(void)
{
    struct timespec moment = {0, NS_PER_MS};
    while (!atomic_load(&life->stop))
        raw_syscall(SYS_nanosleep, &moment, 0);
}

/* A process that has made no call yet. */
static int begin(void **state)
{
    (void)state;
    life = calloc(1, LIFE_SIZE);
    life->pid = getpid();
    life->reporting = 1; /* there is no log: nothing can be said now */
    settings.loop = LOOP_AUTO;
    thread_slot = slot_none();
    watchdog_thread_prepare(stand_by);
    life_activate();
    return pipe(ends);
}

static int end(void **state)
{
    (void)state;
    calls_restore();
    bool stopped = watchdog_thread_stop(false, STOP_MS);
    close(ends[0]);
    close(ends[1]);
    free(life);
    return stopped ? 0 : -1;
}

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

static struct slot *claim_poll(struct pollfd *fds, uint64_t count)
{
    return slot_claim_for_wait(CALL_poll, (uint64_t)(uintptr_t)fds, count, (uint64_t)-1, 0);
}

static struct slot *claim_select(uint64_t count, const uint64_t *reads, const uint64_t *writes,
                                 const uint64_t *exceptions)
{
    return slot_claim_for_wait(CALL_pselect, count, (uint64_t)(uintptr_t)reads,
                               (uint64_t)(uintptr_t)writes, (uint64_t)(uintptr_t)exceptions);
}

/* A wait that matters gets its slot; then there is none again. */
static void assert_matters(const struct slot *slot)
{
    assert_non_null(slot);
    assert_true(watchdog_thread_stop(false, STOP_MS));
    /* It sets this last of all, after its tid is cleared by the kernel. */
    while (atomic_load(&life->thread_state) != THREAD_NONE)
        ;
}

static uint64_t bit(int fd)
{
    return 1ULL << fd;
}

/* make's jobserver, a self-pipe: who could end it is in this process. */
static void test_waits_for_an_own_pipe(void **state)
{
    (void)state;
    struct pollfd own[2] = {{.fd = ends[0], .events = POLLIN}, {.fd = ends[0], .events = POLLIN}};
    uint64_t one = bit(ends[0]), none = 0;
    assert_in_range(ends[1], 0, WORD_BITS - 1);
    assert_null(claim_poll(own, 1));
    assert_null(claim_select((unsigned)ends[0] + 1, &one, NULL, NULL));
    assert_null(claim_select(WORD_BITS, &one, &none, &none));
    int far = fcntl(ends[1], F_DUPFD_CLOEXEC, 40);
    assert_int_equal(close(ends[1]), 0);
    ends[1] = far; /* its number is no neighbour */
    assert_null(claim_poll(own, 1));
    assert_int_equal(life->thread_state, THREAD_NONE);
    assert_matters(claim_poll(own, 2)); /* several: perhaps a loop's */
    close(far);
    ends[1] = -1;
    assert_matters(claim_poll(own, 1));
    assert_matters(claim_select((unsigned)ends[0] + 1, &one, NULL, NULL));
}

static void test_waits_for_time(void **state)
{
    (void)state;
    struct pollfd none = {.fd = -1, .events = POLLIN};
    uint64_t empty = 0;
    assert_null(claim_poll(NULL, 0));
    assert_null(claim_poll(&none, 1));
    assert_null(claim_select(0, NULL, NULL, NULL));
    assert_null(claim_select(WORD_BITS, &empty, NULL, NULL));
    assert_int_equal(life->thread_state, THREAD_NONE);
}

static void test_waits_for_others(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct pollfd socket = {.fd = pair[0], .events = POLLIN};
    struct pollfd space = {.fd = ends[1], .events = POLLOUT};
    uint64_t one = bit(ends[0]), other = bit(pair[0]), both = one | other;
    assert_matters(claim_poll(&socket, 1));
    assert_matters(claim_poll(&space, 1));
    assert_matters(claim_select(WORD_BITS, &other, NULL, NULL));
    assert_matters(claim_select(WORD_BITS, &both, NULL, NULL));
    assert_matters(claim_select(WORD_BITS, &one, &other, NULL));
    assert_matters(claim_select(WORD_BITS, &one, NULL, &other));
    assert_matters(claim_select(DESCRIPTORS + 1, &one, NULL, NULL));
    assert_matters(slot_claim_for_wait(CALL_epoll_wait, (uint64_t)ends[0], 0, 0, 0));
    close(pair[0]);
    close(pair[1]);
}

static void test_waits_with_bad_addresses(void **state)
{
    (void)state;
    static const uint64_t bad[] = {16, 4096, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_matters(slot_claim_for_wait(CALL_poll, bad[i], 1, 0, 0));
        assert_matters(slot_claim_for_wait(CALL_select, 1, bad[i], 0, 0));
    }
    /* Half of it is there. */
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    assert_matters(claim_poll((struct pollfd *)(pages + 4092), 1));
    assert_int_equal(munmap(pages, 8192), 0);
}

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
        assert_int_equal(slot == NULL, failed);
        assert_int_equal(life->claiming, 0);
        if (failed)
            assert_ptr_equal(thread_slot, slot_none());
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_no_memory_for_a_slot),
        TEST(test_a_read_that_waits),
        TEST(test_calls_that_cannot_block_now),
        TEST(test_calls_on_a_pipe_now_and_then),
        TEST(test_calls_on_no_pipe_now_and_then),
        TEST(test_waits_for_an_own_pipe),
        TEST(test_waits_for_time),
        TEST(test_waits_for_others),
        TEST(test_waits_with_bad_addresses),
        TEST(test_an_end_that_nobody_has),
        TEST(test_an_end_that_a_child_has),
        TEST(test_both_ends_are_kept),
        TEST(test_both_ends_are_asked_for_seldom),
        TEST(test_an_end_whose_number_is_reused),
        TEST(test_an_end_with_another_number),
        TEST(test_ends_that_are_not_known),
        TEST(test_a_write_with_little_space),
        TEST(test_a_write_beyond_what_a_pipe_surely_takes),
        TEST(test_what_cannot_be_asked),
        TEST(test_a_socket_is_polled),
        TEST(test_a_call_that_does_not_matter),
        TEST(test_inert),
        TEST(test_barred),
        TEST(test_another_process_in_this_memory),
        TEST(test_more_threads),
        TEST(test_after_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
