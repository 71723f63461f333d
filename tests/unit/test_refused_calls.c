// SPDX-License-Identifier: MIT
/*
 * What the readers of /proc and the wait-for graph say when the kernel refuses a call, each one in
 * turn: the file table is full, there is no memory. Not known, or what is right; never anything
 * else, and no descriptor is left open.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_calls.h"
#include "graph/finding.h"
#include "kernel/borrowed_fd.h"
#include "kernel/fd_scan.h"
#include "kernel/object_reader.h"
#include "kernel/proc_reader.h"
#include "kernel/rights.h"
#include "kernel/status.h"
#include "kernel/task.h"
#include "kernel/thread_wait.h"
#include "left_out.h"

enum { FINDINGS = 4, DEADLINE_MS = 60000 };

static const int errors[] = {ENFILE, ENOMEM, EINTR};

/* Makes each call of `question` fail, one after the other; `question` says whether its answer is in
 * order, and gets whether a call has failed. */
static void refuse_each(bool (*question)(bool refused))
{
    unsigned before = open_descriptors();
    calls_restore();
    assert_true(question(false));
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        bool refused = true;
        for (unsigned nth = 1; refused; nth++) {
            calls_fail(ANY_CALL, nth, errors[e]);
            bool in_order = question(true);
            refused = calls_failed();
            calls_restore();
            if (!in_order)
                print_message("call %u, number %ld, error %d\n", nth, calls_refused(), errors[e]);
            assert_true(in_order);
            assert_int_equal(open_descriptors(), before);
        }
    }
}

static bool ask_status(bool refused)
{
    struct status_field fields[] = {{.name = "Pid", .base = 10}, {.name = "Threads", .base = 10}};
    bool known = status_read(getpid(), 0, fields, 2);
    return (known || refused) && (!known || fields[0].value == (uint64_t)getpid()) &&
           (fields[0].found || fields[0].value == 0) && (fields[1].found || fields[1].value == 0);
}

static bool are_same(const struct rights *one, const struct rights *other)
{
    return one->ids == other->ids && one->groups == other->groups &&
           memcmp(one->sets, other->sets, sizeof one->sets) == 0 &&
           one->no_new_privileges == other->no_new_privileges && one->seccomp == other->seccomp &&
           one->filters == other->filters && one->namespaces == other->namespaces &&
           one->state == other->state;
}

static bool ask_rights(bool refused)
{
    static struct rights right;
    struct rights rights;
    bool known = rights_read(0, &rights);
    if (!refused)
        right = rights;
    /* One that could not be read whole never passes for as much as it was. */
    return known ? are_same(&rights, &right) || !rights_cover(&right, &rights) ||
                       !rights_cover(&rights, &right)
                 : refused;
}

static bool ask_file(bool refused)
{
    char text[64];
    long size = proc_read_of(0, 0, "comm", text, sizeof text);
    return size > 0 ? strcmp(text, "refused\n") == 0 : refused && text[0] == '\0';
}

static int sleeper_end;
static _Atomic int sleeper;

static void *sleep_in_read(void *unused)
{
    char byte;
    sleeper = (int)raw_syscall6(SYS_gettid, 0, 0, 0, 0, 0, 0);
    while (read(sleeper_end, &byte, 1) == 1)
        continue;
    return unused;
}

/* Not that it has gone: its call would be ended, its lag too. */
static bool ask_task(bool refused)
{
    struct task_call call = task_read_call(sleeper);
    return call.status == TASK_IN_CALL
               ? call.number == SYS_read && (int)call.arguments[0] == sleeper_end
               : refused && call.status != TASK_GONE;
}

static bool ask_thread_wait(bool refused)
{
    struct thread_wait wait;
    if (!thread_wait_read(getpid(), sleeper, &wait))
        return false; /* it has not gone */
    return wait.call_known ? wait.kind == WAIT_READ && wait.fd == sleeper_end : refused;
}

static bool ask_descriptor(bool refused)
{
    struct fd_description description;
    return fd_describe(getpid(), sleeper_end, &description) == 0
               ? description.kind == LINK_PIPE && description.access == FD_READS
               : refused;
}

static bool ask_fill(bool refused)
{
    struct pipe_fill fill;
    if (borrowed_pipe_fill(getpid(), sleeper_end, true, &fill) != 0)
        return refused;
    return (fill.used == 0 && fill.capacity == 65536) ||
           (refused && (fill.used == 0 || fill.used == -1) &&
            (fill.capacity == 65536 || fill.capacity == -1));
}

static bool ask_object(bool refused)
{
    static struct object_facts facts;
    unsigned access = ACCESS_BORROW | ACCESS_SOCKET;
    if (object_facts_of_fd(getpid(), sleeper_end, ROLE_READER, access, &facts) != 0)
        return refused;
    return facts.kind == OBJECT_PIPE && (facts.pipe.used == 0 || refused);
}

static void test_readers(void **state)
{
    (void)state;
    assert_int_equal(prctl(PR_SET_NAME, "refused"), 0);
    refuse_each(ask_status);
    refuse_each(ask_rights);
    refuse_each(ask_file);
}

static void test_what_a_thread_waits_in(void **state)
{
    (void)state;
    int ends[2];
    pthread_t thread;
    assert_int_equal(pipe(ends), 0);
    sleeper_end = ends[0];
    assert_int_equal(pthread_create(&thread, NULL, sleep_in_read, NULL), 0);
    while (sleeper == 0 || task_read_call(sleeper).status != TASK_IN_CALL ||
           task_read_call(sleeper).number != SYS_read)
        poll(NULL, 0, 1);
    refuse_each(ask_task);
    refuse_each(ask_thread_wait);
    refuse_each(ask_descriptor);
    refuse_each(ask_fill);
    refuse_each(ask_object);
    close(ends[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(ends[0]);
}

/* --- The graph, in a PID namespace of few processes --------------------------------------------
 */

static uint64_t memory[WAIT_GRAPH_MEMORY / sizeof(uint64_t)];
static struct wait_graph graph;
static struct wait_finding findings[FINDINGS];
static int one[2], two[2]; /* pipes */

static void *act_now_and_then(void *unused)
{
    for (;;)
        poll(NULL, 0, 500);
    return unused;
}

static void wait_for_byte(int fd)
{
    char byte;
    ssize_t ignored = read(fd, &byte, 1);
    (void)ignored;
    _exit(0);
}

/* Two that wait for each other, but for a third one, who has the same ends, and one of whose
 * threads can act. Without him they are a deadlock. Returns the pid of the first. */
static pid_t start_three(bool third_can_act)
{
    pid_t first = fork();
    if (first == 0) {
        close(one[1]);
        wait_for_byte(one[0]);
    }
    if (fork() == 0) {
        close(two[1]);
        wait_for_byte(two[0]);
    }
    if (fork() == 0) {
        pthread_t thread;
        close(two[1]);
        if (third_can_act)
            pthread_create(&thread, NULL, act_now_and_then, NULL);
        wait_for_byte(two[0]);
    }
    return first;
}

static bool all_sleep(pid_t from, int count)
{
    for (int i = 0; i < count; i++) {
        struct thread_wait wait;
        if (!thread_wait_read(from + i, from + i, &wait) || wait.kind != WAIT_READ)
            return false;
    }
    return true;
}

/* In the first process of the namespace. 0: no refusal made a finding of it. */
static int check_refusals(bool third_can_act)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", 0, NULL) != 0)
        return 77;
    if (pipe(one) != 0 || pipe(two) != 0)
        return 1;
    pid_t first = start_three(third_can_act);
    for (int i = 0; i < 2; i++) {
        close(one[i]);
        close(two[i]);
    }
    for (int tries = 0; !all_sleep(first, 3); tries++) {
        if (tries == DEADLINE_MS)
            return 4;
        poll(NULL, 0, 1);
    }
    wait_graph_init(&graph, memory, sizeof memory, ACCESS_ALL);
    if ((wait_graph_examine(&graph, first, findings, FINDINGS) == 0) != third_can_act)
        return 2;
    if (!third_can_act)
        return 0;
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        bool refused = true;
        for (unsigned nth = 1; refused; nth++) {
            calls_fail(ANY_CALL, nth, errors[e]);
            unsigned count = wait_graph_examine(&graph, first, findings, FINDINGS);
            refused = calls_failed();
            calls_restore();
            if (count != 0) {
                print_message("call %u, number %ld, error %d: %s\n", nth, calls_refused(),
                              errors[e], findings[0].words);
                return 3;
            }
        }
    }
    return 0;
}

static int in_a_namespace(bool third_can_act)
{
    int status = 0;
    pid_t parent = fork();
    if (parent == 0) {
        if (unshare(CLONE_NEWPID | CLONE_NEWNS | (geteuid() != 0 ? CLONE_NEWUSER : 0)) != 0)
            _exit(77);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pid_t first = fork();
        if (first == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
            _exit(check_refusals(third_can_act)); /* and with it ends all of the namespace */
        _exit(waitpid(first, &status, 0) == first && WIFEXITED(status) ? WEXITSTATUS(status) : 99);
    }
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_doubt_counts_as_can_act(void **state)
{
    (void)state;
    int deadlock = in_a_namespace(false);
    if (deadlock == 77)
        LEAVE_OUT("a PID namespace with its own /proc cannot be made here");
    assert_int_equal(deadlock, 0);
    assert_int_equal(in_a_namespace(true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers),
        cmocka_unit_test(test_what_a_thread_waits_in),
        cmocka_unit_test(test_doubt_counts_as_can_act),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
