// SPDX-License-Identifier: MIT
/* Who gets a slot, and when it is free again; with threads that are gone and memory that is not to
 * be had. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/thread_pointer.h"
#include "failing_calls.h"
#include "process/life.h"
#include "slots/slot.h"
#include "watch/proof.h"

/* Tids that no process has; those above `LIVING` are alive. */
enum { NOBODY = 0x40000000, LIVING = 0x50000000 };

static long gone_or_not(long number, long pid, long tid, long signal, long d, long e, long f)
{
    (void)number, (void)d, (void)e, (void)f;
    return pid == getpid() && signal == 0 && tid < LIVING ? -ESRCH : 0;
}

/* As in a process that has just begun: no slot is in use. */
static int begin(void **state)
{
    (void)state;
    life = calloc(1, sizeof *life + SLOT_LIMIT / 8);
    life->pid = getpid();
    if (slot_at(0))
        memset(slot_at(0), 0, sizeof(struct slot)); /* that another test has taken */
    return 0;
}

static int end(void **state)
{
    (void)state;
    calls_restore();
    free(life);
    return 0;
}

static struct slot *unmapped;

static long note_unmapped(long number, long a, long b, long c, long d, long e, long f)
{
    unmapped = (struct slot *)a;
    return raw_syscall6(number, a, b, c, d, e, f);
}

/* There is no chunk yet. */
static void test_no_memory(void **state)
{
    (void)state;
    assert_ptr_equal(slot_take(getpid()), &static_slots.first);
    for (int error = ENOMEM; error != 0; error = error == ENOMEM ? EAGAIN : 0) {
        calls_fail(SYS_mmap, 1, error);
        assert_null(slot_take(NOBODY));
        assert_true(calls_failed());
    }
    /* Memory that a child would inherit is none. */
    calls_fail(SYS_madvise, 1, EINVAL);
    calls_replace(SYS_munmap, note_unmapped);
    assert_null(slot_take(NOBODY));
    assert_non_null(unmapped);
    assert_null(slot_at(1));
    calls_restore();
    struct slot *slot = slot_take(NOBODY);
    assert_non_null(slot);
    assert_ptr_equal(slot, slot_at(1)); /* the failures have used none up */
}

/* Nor is there any at the place that the doors know: the first thread has a slot elsewhere, and
 * nothing is ever mapped there again. In children, for these have tried. */
static void test_no_memory_for_the_first(void **state)
{
    (void)state;
    for (int call = 0; call < 2; call++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            life->pid = getpid();
            calls_fail(call ? SYS_madvise : SYS_mmap, 1, EAGAIN);
            struct slot *slot = slot_take(getpid());
            if (!calls_failed() || slot != slot_at(1) || slot_at(0) || slot_passing())
                _exit(1);
            calls_restore();
            slot_set_own(slot);
            if (slot_of_thread() != slot || first_thread_pointer != 0)
                _exit(2);
            if (slot_take(getpid()) != slot_at(2) || slot_at(0))
                _exit(3);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

/* Any thread's claim makes the one by which the reads of others pass. */
static void test_the_passing_slot(void **state)
{
    (void)state;
    int status;
    assert_null(slot_passing());
    pid_t child = fork();
    if (child == 0) {
        life->pid = getpid();
        if (!slot_take(LIVING) || slot_passing() != &static_slots.passing)
            _exit(1);
        _exit(slot_take(getpid()) == &static_slots.first && slot_at(0) == &static_slots.first ? 0
                                                                                              : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_a_slot_of_ones_own(void **state)
{
    (void)state;
    struct slot *one = slot_take(LIVING);
    struct slot *two = slot_take(LIVING + 1);
    assert_ptr_not_equal(one, two);
    assert_int_equal(one->tid, LIVING);
    assert_int_equal(two->tid, LIVING + 1);
    assert_int_equal(one->thread_pointer, read_thread_pointer());
    assert_int_equal(one->armed, 0);
    assert_int_equal(one->sequence & 1, 0);
    assert_int_equal(slot_bound(), 3); /* 0 is the first thread's */
    assert_ptr_equal(slot_at(1), one);
    assert_ptr_equal(slot_at(2), two);
    assert_ptr_equal(slot_take(getpid()), slot_at(0));
    assert_ptr_equal(slot_at(0), &static_slots.first);
    assert_int_equal(slot_bound(), 3);
}

static void test_only_the_dead_are_swept(void **state)
{
    (void)state;
    struct slot *dead = slot_take(NOBODY);
    struct slot *alive = slot_take(LIVING);
    dead->armed = alive->armed = 1;
    dead->sequence = 7; /* it died in a call */
    dead->watch.judged = 5;
    dead->waits[READINESS_POLL].returns = 9;
    calls_fail(SYS_tgkill, 0, EPERM); /* it is there, whoever may signal it */
    assert_int_equal(slot_sweep(), 0);
    calls_replace(SYS_tgkill, gone_or_not);
    assert_int_equal(slot_sweep(), 1);
    assert_int_equal(dead->tid, 0);
    assert_int_equal(dead->armed, 0);
    assert_int_equal(alive->tid, LIVING);
    assert_int_equal(alive->armed, 1);
    assert_int_equal(slot_sweep(), 0);
    assert_ptr_equal(slot_take(LIVING + 1), dead); /* the first that is free */
    assert_int_equal(dead->sequence & 1, 0);
    assert_true(dead->sequence > 7); /* none that it has had */
    assert_int_equal(dead->watch.judged, 0);
    assert_int_equal(dead->waits[READINESS_POLL].returns, 0);
    assert_int_equal(slot_bound(), 3);
}

/* A server that makes a thread for each request. */
static void test_threads_that_come_and_go(void **state)
{
    (void)state;
    calls_replace(SYS_tgkill, gone_or_not);
    for (int i = 0; i < 20000; i++)
        assert_non_null(slot_take(NOBODY + i));
    assert_true(slot_bound() <= 128);
}

static void test_more_threads_than_slots(void **state)
{
    (void)state;
    calls_replace(SYS_tgkill, gone_or_not);
    assert_non_null(slot_take(getpid()));
    for (int i = 1; i < SLOT_LIMIT; i++)
        assert_non_null(slot_take(LIVING + i));
    assert_null(slot_take(LIVING + SLOT_LIMIT));
    assert_int_equal(slot_bound(), SLOT_LIMIT);
    struct slot *last = slot_at(SLOT_LIMIT - 1);
    last->tid = NOBODY; /* one of them ends */
    assert_int_equal(slot_sweep(), 1);
    assert_ptr_equal(slot_take(LIVING + SLOT_LIMIT), last);
}

static void test_a_child_inherits_none(void **state)
{
    (void)state;
    struct slot *slots[] = {slot_take(LIVING), slot_take(getpid()), slot_passing()};
    int status;
    for (int i = 0; i < 3; i++) {
        slots[i]->armed = slots[i]->reads = 1;
        slots[i]->sequence = 3;
    }
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++)
            if (slots[i]->tid || slots[i]->armed || slots[i]->reads || slots[i]->sequence)
                _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(slots[i]->armed, 1);
    slots[2]->reads = READS_ASK;
}

/* The child's first claim is a new thread's: the slot that the first one still points to is not
 * given to it, and is free once that thread has one. */
static void test_a_childs_first_thread(void **state)
{
    (void)state;
    int status;
    assert_non_null(slot_take(LIVING));
    slot_set_own(slot_take(LIVING + 1));
    pid_t child = fork();
    if (child == 0) {
        struct slot *parents = thread_slot;
        memset(life, 0, sizeof *life + SLOT_LIMIT / 8); /* as the kernel wipes it */
        slots_begin_in_child();
        life->pid = getpid();
        struct slot *one = slot_take(LIVING);
        struct slot *two = slot_take(LIVING + 1);
        if (!one || !two || one == parents || two == parents)
            _exit(1);
        struct slot *first = slot_take(getpid());
        if (!first || first == one || first == two || slot_of_thread() != slot_none())
            _exit(2);
        if (slot_at(0)->tid != getpid() || slot_take(LIVING + 2) != slot_at(1))
            _exit(3);
        _exit(0);
    }
    slot_set_own(slot_none());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void *slot_of_another(void *unused)
{
    (void)unused;
    struct slot *before = slot_of_thread();
    struct slot *own = slot_take(LIVING + 1);
    slot_set_own(own);
    return before == slot_none() && slot_of_thread() == own && thread_slot == own ? own : NULL;
}

/* The first thread's slot is its own at any time, and no other thread's. */
static void test_the_first_threads_slot(void **state)
{
    (void)state;
    pthread_t thread;
    void *anothers;
    struct slot *slot = slot_take(getpid());
    assert_ptr_equal(slot, &static_slots.first);
    assert_ptr_equal(slot_of_thread(), slot_none());
    slot_set_own(slot);
    assert_ptr_equal(slot_of_thread(), slot);
    assert_int_equal(first_thread_pointer, read_thread_pointer());
    assert_int_equal(pthread_create(&thread, NULL, slot_of_another, NULL), 0);
    assert_int_equal(pthread_join(thread, &anothers), 0);
    assert_non_null(anothers);
    assert_int_equal(first_thread_pointer, read_thread_pointer());
    /* A new thread may stand where one was that is gone. */
    slot->tid = NOBODY;
    calls_replace(SYS_tgkill, gone_or_not);
    assert_int_equal(slot_sweep(), 1);
    assert_int_equal(first_thread_pointer, 0);
    slot_set_own(slot_take(getpid()));
    assert_ptr_equal(slot_of_thread(), slot);
    slot_set_own(slot_none());
    assert_ptr_equal(slot_of_thread(), slot_none());
    assert_ptr_equal(thread_slot, slot_none());
    /* A child's first thread, where the parent's is not. */
    first_thread_pointer = read_thread_pointer() + 1;
    slot_set_own(slot);
    assert_int_equal(first_thread_pointer, read_thread_pointer());
    slot_set_own(slot_none());
}

static void test_disarm(void **state)
{
    (void)state;
    struct slot *one = slot_take(LIVING);
    struct slot *two = slot_take(LIVING + 1);
    one->armed = two->armed = 1;
    slots_disarm();
    assert_int_equal(one->armed, 0);
    assert_int_equal(two->armed, 0);
    assert_int_equal(slot_none()->armed, 0);
    assert_ptr_equal(thread_slot, slot_none());
}

static struct slot *shared;
static volatile sig_atomic_t records;

/* Each record is of one piece: the detail says which fd it goes with. */
static void next_record(int number)
{
    (void)number;
    slot_leave(shared);
    records++;
    slot_enter(shared, CALL_write, records, 3 * (uint64_t)records);
}

/* The owner's next call comes in the midst of the copy: by a timer's signal, which interrupts it
 * anywhere. */
static void test_what_is_copied_is_of_one_piece(void **state)
{
    enum { RECORDS = 2000 };
    struct slot_record record;
    struct itimerval often = {{0, 20}, {0, 20}};
    unsigned changed = 0;
    (void)state;
    shared = slot_take(LIVING);
    next_record(0);
    struct sigaction by_timer = {.sa_handler = next_record};
    assert_int_equal(sigaction(SIGALRM, &by_timer, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    while (records < RECORDS) {
        if (!slot_copy(shared, &record)) {
            changed++;
            continue;
        }
        assert_int_equal(record.sequence & 1, 1);
        assert_int_equal(record.detail, 3 * (uint64_t)record.fd);
    }
    memset(&often, 0, sizeof often);
    setitimer(ITIMER_REAL, &often, NULL);
    assert_true(changed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* Before any that makes a slot. */
        cmocka_unit_test_setup_teardown(test_no_memory_for_the_first, begin, end),
        cmocka_unit_test_setup_teardown(test_the_passing_slot, begin, end),
        cmocka_unit_test_setup_teardown(test_no_memory, begin, end),
        cmocka_unit_test_setup_teardown(test_a_slot_of_ones_own, begin, end),
        cmocka_unit_test_setup_teardown(test_only_the_dead_are_swept, begin, end),
        cmocka_unit_test_setup_teardown(test_threads_that_come_and_go, begin, end),
        /* Before the next, after which all slots have been pointed to. */
        cmocka_unit_test_setup_teardown(test_a_childs_first_thread, begin, end),
        cmocka_unit_test_setup_teardown(test_more_threads_than_slots, begin, end),
        cmocka_unit_test_setup_teardown(test_a_child_inherits_none, begin, end),
        cmocka_unit_test_setup_teardown(test_the_first_threads_slot, begin, end),
        cmocka_unit_test_setup_teardown(test_disarm, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_copied_is_of_one_piece, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
