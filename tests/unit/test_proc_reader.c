// SPDX-License-Identifier: MIT
/* Files of /proc: no field is lost to the end of a buffer, none is told in part. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/status.h"
#include "kernel/thread_wait.h"
#include "left_out.h"

enum { MANY_GROUPS = 60000, SOME_GROUPS = 1000 };

static char path[] = "/tmp/pipeshim-test-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    close(fd);
    return fd < 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static FILE *rewrite(void)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

static void write_text(const char *text)
{
    FILE *file = rewrite();
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_field_behind_a_long_line(void **state)
{
    (void)state;
    int64_t value = 0;
    FILE *file = rewrite();
    fputs("Name:\tx\nUid:\t0\t0\t0\t0\nGroups:\t", file);
    for (int i = 0; i < MANY_GROUPS; i++)
        fprintf(file, "%d ", 1000000000 + i);
    fputs("\nSeccomp:\t2\nSeccomp_filters:\t7\nvoluntary_ctxt_switches:\t-12\n", file);
    assert_int_equal(fclose(file), 0);
    assert_true(proc_field(path, "Seccomp:", &value));
    assert_int_equal(value, 2);
    assert_true(proc_field(path, "Seccomp_filters:", &value));
    assert_int_equal(value, 7);
    assert_true(proc_field(path, "voluntary_ctxt_switches:", &value));
    assert_int_equal(value, -12);
    assert_true(proc_field(path, "Groups:", &value));
    assert_int_equal(value, 1000000000);
    assert_false(proc_field(path, "TracerPid:", &value));
    assert_false(proc_field(path, "ccomp:", &value)); /* only at the start of a line */
}

static void test_fields_that_are_none(void **state)
{
    (void)state;
    int64_t value = 5;
    write_text("");
    assert_false(proc_field(path, "A:", &value));
    write_text("A:\nAB: 3\n\nxA: 4\nA");
    assert_false(proc_field(path, "A:", &value));
    write_text("xx\nA: 8"); /* no newline at the end */
    assert_true(proc_field(path, "A:", &value));
    assert_int_equal(value, 8);
    assert_false(proc_field("/proc/self/no-such-file", "A:", &value));
}

static void test_hexadecimal(void **state)
{
    (void)state;
    uint64_t mask = 1;
    assert_true(proc_field_hex_of(0, 0, "status", "SigBlk:", &mask));
    assert_int_equal(mask, 0);
    assert_true(proc_field_hex_of(0, 0, "status", "CapBnd:", &mask));
    assert_false(proc_field_hex_of(0, 0, "status", "NoSuchField:", &mask));
}

static void test_whole_or_nothing(void **state)
{
    (void)state;
    char text[8];
    write_text("1234567");
    assert_int_equal(proc_read(path, text, sizeof text), 7);
    assert_string_equal(text, "1234567");
    write_text("12345678");
    assert_int_equal(proc_read(path, text, sizeof text), -EFBIG);
    assert_string_equal(text, "");
    assert_int_equal(proc_read_start(path, text, sizeof text), 7);
    assert_string_equal(text, "1234567");
    assert_int_equal(proc_read("/proc/self/no-such-file", text, sizeof text), -ENOENT);
    assert_int_equal(proc_read_piece_of(0, 0, "status", text, sizeof text), -EFBIG);
    assert_string_equal(text, "");
    char comm[COMM_LIMIT + 1];
    assert_true(proc_read_piece_of(0, 0, "comm", comm, sizeof comm) > 0);
    assert_non_null(strchr(comm, '\n'));
}

/* A child with so many groups that its status is longer than any page; `filter`: under seccomp. */
static pid_t start_child_with_groups(bool filter, int *ready)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        static gid_t groups[SOME_GROUPS];
        struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        struct sock_fprog program = {1, &allow};
        for (int i = 0; i < SOME_GROUPS; i++)
            groups[i] = (gid_t)(1000000000 + i);
        if (setgroups(SOME_GROUPS, groups) != 0)
            _exit(99);
        if (filter && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
            _exit(98);
        if (filter)
            _exit(seccomp_filter_in_force() ? 0 : 1);
        write(ends[1], "r", 1);
        for (;;)
            pause();
    }
    close(ends[1]);
    *ready = ends[0];
    return child;
}

static void test_switches_of_a_member_of_many_groups(void **state)
{
    (void)state;
    int ready;
    char byte;
    struct thread_wait wait = {0};
    if (geteuid() != 0)
        LEAVE_OUT("needs root for setgroups");
    pid_t child = start_child_with_groups(false, &ready);
    assert_int_equal(read(ready, &byte, 1), 1);
    close(ready);
    for (int tries = 0; wait.kind != WAIT_SIGNAL && tries < 20000; tries++) { /* pause() */
        assert_true(thread_wait_read(child, child, &wait));
        usleep(1000);
    }
    assert_int_equal(wait.kind, WAIT_SIGNAL);
    assert_true(wait.switches > 0);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_filter_of_a_member_of_many_groups(void **state)
{
    (void)state;
    int ready, status;
    if (geteuid() != 0)
        LEAVE_OUT("needs root for setgroups");
    assert_false(seccomp_filter_in_force());
    pid_t child = start_child_with_groups(true, &ready);
    close(ready);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field_behind_a_long_line),
        cmocka_unit_test(test_fields_that_are_none),
        cmocka_unit_test(test_hexadecimal),
        cmocka_unit_test(test_whole_or_nothing),
        cmocka_unit_test(test_switches_of_a_member_of_many_groups),
        cmocka_unit_test(test_filter_of_a_member_of_many_groups),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
