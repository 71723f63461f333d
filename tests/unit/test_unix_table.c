// SPDX-License-Identifier: MIT
/* The other ends of AF_UNIX sockets: one by one, and of many by one question; on real sockets. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_calls.h"
#include "graph/wait_graph_parts.h"
#include "kernel/object_reader.h"
#include "kernel/sock_diag.h"
#include "kernel/unix_table.h"
#include "left_out.h"

enum { PAIRS = 300 };

static int pairs[PAIRS][2];
static unsigned questions;

static long count_questions(long number, long a, long b, long c, long d, long e, long f)
{
    questions++;
    return raw_syscall6(number, a, b, c, d, e, f);
}

static int begin(void **state)
{
    (void)state;
    unix_table_forget();
    questions = 0;
    for (int i = 0; i < PAIRS; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) != 0)
            return -1;
    return 0;
}

static int end(void **state)
{
    (void)state;
    calls_restore();
    for (int i = 0; i < PAIRS; i++) {
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    return 0;
}

static uint64_t inode_of(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return status.st_ino;
}

static struct unix_end read_end(int fd)
{
    struct unix_end end;
    assert_int_equal(unix_end_read(inode_of(fd), &end), 0);
    return end;
}

static void ask_often(unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        read_end(pairs[PAIRS - 1 - i][0]);
}

#define NEEDS_UNIX_DIAG()                                                                          \
    do {                                                                                           \
        struct unix_end end_;                                                                      \
        if (unix_end_read(inode_of(pairs[0][0]), &end_) != 0)                                      \
            LEAVE_OUT("the kernel has no unix_diag");                                              \
        unix_table_forget();                                                                       \
    } while (0)

static void test_many_cost_one_question(void **state)
{
    (void)state;
    NEEDS_UNIX_DIAG();
    assert_int_equal(write(pairs[7][0], "12345", 5), 5);
    calls_replace(SYS_sendto, count_questions);
    for (int i = 0; i < PAIRS; i++)
        for (int side = 0; side < 2; side++) {
            struct unix_end end = read_end(pairs[i][side]);
            assert_int_equal(end.peer, inode_of(pairs[i][!side]));
            assert_int_equal(end.unread, i == 7 && side == 1 ? 5 : 0);
            assert_false(end.listening);
        }
    assert_int_equal(questions, UNIX_ASKED_ONE_BY_ONE + 1);
}

static void test_none_is_taken_for_a_few(void **state)
{
    struct unix_end end;
    (void)state;
    NEEDS_UNIX_DIAG();
    ask_often(UNIX_ASKED_ONE_BY_ONE);
    assert_false(unix_table_find(inode_of(pairs[0][0]), &end));
    ask_often(1);
    assert_true(unix_table_find(inode_of(pairs[0][0]), &end));
    assert_int_equal(end.peer, inode_of(pairs[0][1]));
}

/* One whose other end is closed, one that listens, one that was made since. */
static void test_what_they_are(void **state)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)state;
    NEEDS_UNIX_DIAG();
    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(listener, 1), 0);
    close(pairs[2][1]);
    pairs[2][1] = -1;
    ask_often(UNIX_ASKED_ONE_BY_ONE + 1);
    struct unix_end end = read_end(listener);
    assert_true(end.listening);
    assert_int_equal(read_end(pairs[2][0]).peer, 0);
    int made[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, made), 0);
    assert_false(unix_table_find(inode_of(made[0]), &end));
    assert_int_equal(read_end(made[0]).peer, inode_of(made[1]));
    close(made[0]);
    close(made[1]);
    close(listener);
}

/* The next look sees what has changed. */
static void test_forgotten(void **state)
{
    struct unix_end end;
    (void)state;
    NEEDS_UNIX_DIAG();
    ask_often(UNIX_ASKED_ONE_BY_ONE + 1);
    assert_int_equal(write(pairs[0][1], "x", 1), 1);
    assert_int_equal(read_end(pairs[0][0]).unread, 0);
    unix_table_forget();
    assert_false(unix_table_find(inode_of(pairs[0][0]), &end));
    for (int i = 0; i < 4; i++)
        assert_int_equal(read_end(pairs[i][0]).unread, i == 0);
}

/* So asks who looks for deadlocks, and each time anew. */
static void test_a_look(void **state)
{
    static uint64_t memory[4096];
    struct wait_graph graph;
    struct wait_holder other;
    int64_t unread;
    (void)state;
    NEEDS_UNIX_DIAG();
    wait_graph_init(&graph, memory, sizeof memory, ACCESS_SOCKET);
    for (int look = 0; look < 2; look++) {
        wait_graph_empty(&graph);
        questions = 0;
        calls_replace(SYS_sendto, count_questions);
        for (int i = 0; i < PAIRS; i++) {
            const struct fd_description fd = {
                .fd = pairs[i][0], .kind = LINK_SOCKET, .key.inode = inode_of(pairs[i][0])};
            assert_true(wait_graph_other_end(&graph, getpid(), &fd, 0, &other, &unread));
            assert_int_equal(other.key.inode, inode_of(pairs[i][1]));
            assert_int_equal(unread, look);
        }
        calls_restore();
        assert_int_equal(questions, UNIX_ASKED_ONE_BY_ONE + 1);
        for (int i = 0; i < PAIRS; i++)
            assert_int_equal(write(pairs[i][1], "x", 1), 1);
    }
}

static void test_refused(void **state)
{
    struct unix_end end;
    (void)state;
    for (int call = 0; call < 2; call++) {
        unix_table_forget();
        calls_fail(call ? SYS_sendto : SYS_socket, 0, EACCES);
        for (int i = 0; i < UNIX_ASKED_ONE_BY_ONE + 2; i++)
            assert_int_equal(unix_end_read(inode_of(pairs[i][0]), &end), -EACCES);
        calls_restore();
    }
}

static char part[SOCK_DIAG_PART];
static long part_length;
static unsigned parts;

static long answer_with_part(long number, long fd, long buffer, long size, long d, long e, long f)
{
    (void)number, (void)fd, (void)d, (void)e, (void)f;
    if (parts++ > 100)
        return -EAGAIN;
    memcpy((void *)buffer, part, (size_t)(part_length < size ? part_length : size));
    return part_length;
}

static unsigned taken;

static void count_messages(void *context, const struct nlmsghdr *header, const char *body,
                           size_t length)
{
    (void)context;
    /* All of it can be read. */
    for (size_t i = 0; i < length; i++)
        taken += body[i] == 'x';
    taken += header->nlmsg_type == SOCK_DIAG_BY_FAMILY;
}

static long dump(uint32_t length, uint16_t type, long bytes)
{
    static char answer[SOCK_DIAG_PART];
    struct nlmsghdr header = {.nlmsg_len = length, .nlmsg_type = type};
    memcpy(part, &header, sizeof header);
    part_length = bytes;
    parts = taken = 0;
    calls_replace(SYS_recvfrom, answer_with_part);
    long result = sock_diag_dump(&header, sizeof header, answer, count_messages, NULL);
    calls_restore();
    return result;
}

/* What the kernel would not say ends it, and is not believed. */
static void test_answers_that_are_none(void **state)
{
    (void)state;
    assert_int_equal(dump(NLMSG_HDRLEN, NLMSG_DONE, NLMSG_HDRLEN), 0);
    assert_int_equal(dump(NLMSG_HDRLEN, NLMSG_ERROR, NLMSG_HDRLEN), -EPROTO);
    assert_int_equal(dump(0, SOCK_DIAG_BY_FAMILY, NLMSG_HDRLEN), -EPROTO);
    assert_int_equal(dump(NLMSG_HDRLEN + 1, SOCK_DIAG_BY_FAMILY, NLMSG_HDRLEN), -EPROTO);
    assert_int_equal(dump(UINT32_MAX, SOCK_DIAG_BY_FAMILY, SOCK_DIAG_PART), -EPROTO);
    assert_int_equal(taken, 0);
    assert_int_equal(dump(NLMSG_HDRLEN, SOCK_DIAG_BY_FAMILY, 0), 0);
    assert_int_equal(dump(NLMSG_HDRLEN, SOCK_DIAG_BY_FAMILY, NLMSG_HDRLEN), -EAGAIN);
    assert_int_equal(taken, 101); /* one a part */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_cost_one_question, begin, end),
        cmocka_unit_test_setup_teardown(test_none_is_taken_for_a_few, begin, end),
        cmocka_unit_test_setup_teardown(test_what_they_are, begin, end),
        cmocka_unit_test_setup_teardown(test_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(test_a_look, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_answers_that_are_none, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
