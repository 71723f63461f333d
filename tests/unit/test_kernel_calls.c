// SPDX-License-Identifier: MIT
/* The table of kernel calls, and what is made of a thread that sleeps in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "kernel/call_table.h"
#include "watch/kernel_wait.h"

/* Numbers of the first thousand: all that any architecture has. */
enum { NUMBERS = 1000, ARGUMENTS = 6 };

static void test_each_row(void **state)
{
    (void)state;
    unsigned rows = 0;
    for (long number = 0; number < NUMBERS; number++) {
        const struct call_description *row = call_description(number);
        if (!row)
            continue;
        rows++;
        assert_int_equal(row->number, number);
        assert_true(row->name[0] != '\0' && strcmp(row->words, row->name) != 0);
        assert_true(row->kind > WAIT_NONE && row->kind <= WAIT_OTHER);
        assert_true(row->class < CLASS_COUNT);
        assert_in_range(row->fd_argument + 1, 0, ARGUMENTS);
        assert_in_range(row->detail_argument + 1, 0, ARGUMENTS);
        assert_int_equal(row->timeout_argument >= 0, row->timeout != TIMEOUT_NONE);
    }
    assert_true(rows > 40);
    assert_null(call_description(SYS_getpid));
    assert_null(call_description(-1));
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(call_description(SYS_epoll_pwait)->name, "epoll_pwait");
    assert_string_equal(call_description(SYS_epoll_pwait)->words, "epoll_wait");
    assert_string_equal(call_description(SYS_sendto)->name, "sendto");
    assert_string_equal(call_description(SYS_sendto)->words, "");
}

static void check(long number, enum call_class class, int fd, uint64_t detail)
{
    struct task_call call = {
        .status = TASK_IN_CALL, .number = number, .arguments = {10, 11, 12, 13, 14, 15}};
    struct kernel_wait wait = kernel_wait_of(&call);
    assert_int_equal(wait.class, class);
    assert_int_equal(wait.fd, fd);
    assert_int_equal(wait.detail, detail);
}

static void test_what_is_waited_for(void **state)
{
    (void)state;
    check(SYS_write, CLASS_PIPE_WRITE, 10, 12);
    check(SYS_writev, CLASS_PIPE_WRITE, 10, 0);
    check(SYS_read, CLASS_PIPE_READ, 10, 0);
    /* of two descriptors the one that is written to */
    check(SYS_splice, CLASS_PIPE_WRITE, 12, 0);
    check(SYS_tee, CLASS_PIPE_WRITE, 11, 0);
    check(SYS_ppoll, CLASS_POLL, -1, 0);
    check(SYS_epoll_pwait, CLASS_POLL, -1, 0);
    check(SYS_futex, CLASS_LOCK, -1, 0);
    check(SYS_flock, CLASS_LOCK, 10, 0);
    check(SYS_fsync, CLASS_FILE, 10, 0);
    check(SYS_msync, CLASS_FILE, -1, 0);
    check(SYS_openat, CLASS_FILE, -1, 11);
    check(SYS_ioctl, CLASS_OTHER, -1, 0);
    check(SYS_getpid, CLASS_OTHER, -1, 0);
}

static void test_children(void **state)
{
    (void)state;
    struct task_call call = {.status = TASK_IN_CALL, .number = SYS_wait4, .arguments = {42}};
    assert_int_equal(kernel_wait_of(&call).detail, 42);
    call.arguments[0] = (uint64_t)-1;
    assert_int_equal(kernel_wait_of(&call).detail, (uint64_t)-1);
    call =
        (struct task_call){.status = TASK_IN_CALL, .number = SYS_waitid, .arguments = {P_PID, 43}};
    assert_int_equal(kernel_wait_of(&call).class, CLASS_CHILD);
    assert_int_equal(kernel_wait_of(&call).detail, 43);
    call.arguments[0] = P_ALL;
    assert_int_equal(kernel_wait_of(&call).detail, (uint64_t)-1);
}

static void test_wait_channels(void **state)
{
    (void)state;
    assert_int_equal(wait_kind_of_wchan("anon_pipe_write"), WAIT_WRITE);
    assert_int_equal(wait_kind_of_wchan("pipe_read.constprop.0"), WAIT_READ);
    assert_int_equal(wait_kind_of_wchan("unix_stream_sendmsg"), WAIT_WRITE);
    assert_int_equal(wait_kind_of_wchan("a_function_of_tomorrow"), WAIT_OTHER);
    assert_true(wchan_may_be("pipe_write", WAIT_WRITE));
    assert_false(wchan_may_be("pipe_write", WAIT_READ));
    assert_true(wchan_may_be("pipe_wait", WAIT_READ) && wchan_may_be("pipe_wait", WAIT_WRITE));
    assert_false(wchan_may_be("pipe_wait", WAIT_POLL));
    assert_false(wchan_may_be("", WAIT_WRITE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row),           cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_is_waited_for), cmocka_unit_test(test_children),
        cmocka_unit_test(test_wait_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
