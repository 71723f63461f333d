// SPDX-License-Identifier: MIT
/* /proc/PID/status of a process with as many groups as there can be, whose counters stand behind
 * 700 KB of them. */
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/status.h"
#include "kernel/thread_wait.h"

enum { MOST_GROUPS = 65536 };

/* A child with `count` groups of ten digits that waits in a read; -1: no right to. */
static pid_t start_child(int count, int *to_child)
{
    static gid_t groups[MOST_GROUPS];
    int ready[2], wait[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(wait), 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < count; i++)
            groups[i] = 4000000000U + (gid_t)i;
        close(wait[1]);
        byte = setgroups((size_t)count, groups) == 0;
        _exit(write(ready[1], &byte, 1) == 1 && read(wait[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ready[1]);
    close(wait[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *to_child = wait[1];
    if (byte)
        return child;
    close(wait[1]);
    waitpid(child, NULL, 0);
    return -1;
}

static void end_child(pid_t child, int to_child)
{
    int status;
    close(to_child);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_any_number_of_groups(void **state)
{
    (void)state;
    for (int count = 1; count <= MOST_GROUPS; count *= 16) {
        int to_child;
        pid_t child = start_child(count, &to_child);
        if (child < 0)
            skip();
        struct status_field fields[] = {
            {.name = "Pid", .base = 10},     {.name = "NSpid", .base = 10},
            {.name = "SigBlk", .base = 16},  {.name = "Seccomp", .base = 10},
            {.name = "Threads", .base = 10}, {.name = "voluntary_ctxt_switches", .base = 10},
        };
        assert_true(status_read(child, 0, fields, sizeof fields / sizeof *fields));
        assert_int_equal(fields[0].value, child);
        assert_int_equal(fields[1].value, child);
        assert_int_equal(fields[2].value, 0);
        assert_int_equal(fields[3].value, prctl(PR_GET_SECCOMP));
        assert_int_equal(fields[4].value, 1);
        struct thread_wait wait;
        assert_true(thread_wait_read(child, child, &wait));
        assert_true(wait.switches_known);
        end_child(child, to_child);
    }
}

static void test_the_last_number_of_a_line(void **state)
{
    struct status_field fields[] = {{.name = "Uid", .base = 10}, {.name = "Pid", .base = 10}};
    (void)state;
    assert_true(status_read(0, 0, fields, 2));
    assert_int_equal(fields[0].value, geteuid());
    assert_int_equal(fields[1].value, getpid());
}

/* Uid: real, effective, saved, of the file system. */
static void test_each_number_of_a_line(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t child = fork();
    if (child == 0) {
        struct status_field fields[] = {
            {.name = "Uid", .base = 10, .nth = 1}, {.name = "Uid", .base = 10, .nth = 2},
            {.name = "Uid", .base = 10, .nth = 3}, {.name = "Uid", .base = 10, .nth = 4},
            {.name = "Uid", .base = 10},           {.name = "Pid", .base = 10},
        };
        struct status_field fifth[] = {{.name = "Uid", .base = 10, .nth = 5}};
        bool right = setresuid(11, 12, 13) == 0 && setfsuid(13) == 12 &&
                     status_read(0, 0, fields, 6) && fields[0].value == 11 &&
                     fields[1].value == 12 && fields[2].value == 13 && fields[3].value == 13 &&
                     fields[4].value == 13 && fields[5].value == (uint64_t)getpid();
        _exit(right && !status_read(0, 0, fifth, 1) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_what_is_no_number(void **state)
{
    struct status_field name = {.name = "Name", .base = 16};
    struct status_field letters = {.name = "State", .base = 10};
    (void)state;
    assert_int_equal(prctl(PR_SET_NAME, "cafe x"), 0);
    assert_false(status_read(0, 0, &name, 1));
    assert_int_equal(prctl(PR_SET_NAME, "x cafe"), 0);
    assert_true(status_read(0, 0, &name, 1));
    assert_int_equal(name.value, 0xcafe);
    assert_false(status_read(0, 0, &letters, 1)); /* "R (running)" */
}

static void test_what_is_not_there(void **state)
{
    struct status_field fields[] = {{.name = "Pid", .base = 10}, {.name = "Pidd", .base = 10}};
    (void)state;
    assert_false(status_read(getpid(), 0, fields, 2));
    assert_true(fields[0].found);
    assert_false(fields[1].found);
    assert_false(status_read(0x7fffffff, 0, fields, 2)); /* no such process */
    assert_false(fields[0].found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_number_of_groups),
        cmocka_unit_test(test_the_last_number_of_a_line),
        cmocka_unit_test(test_each_number_of_a_line),
        cmocka_unit_test(test_what_is_no_number),
        cmocka_unit_test(test_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
