// SPDX-License-Identifier: MIT
/* The log on a descriptor of the program's: pipes, sockets, files, terminals. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log_case.h"
#include "report/log.h"

static char where[32];

static void log_to_fd(int fd)
{
    snprintf(where, sizeof where, "fd:%d", fd);
    log_prepare(where, log_engine, NULL);
    log_begin_in_child();
}

static size_t fill(int fd)
{
    static char block[4096];
    size_t total = 0;
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    memset(block, 'f', sizeof block);
    for (ssize_t size; (size = write(fd, block, sizeof block)) > 0;)
        total += (size_t)size;
    fcntl(fd, F_SETFL, flags);
    return total;
}

static void test_pipe(void)
{
    int ends[2];
    char data[64] = "";
    assert_int_equal(pipe(ends), 0);
    log_to_fd(ends[1]);
    assert_true(log_say("one\n"));
    assert_int_equal(read(ends[0], data, sizeof data), 4);
    assert_string_equal(data, "one\n");
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    close(ends[0]);
    assert_false(log_say("two\n")); /* SIGPIPE has its default disposition: it would end us */
    close(ends[1]);
}

static void test_full_pipe(void)
{
    static char data[1 << 17];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    size_t filled = fill(ends[1]);
    log_to_fd(ends[1]);
    assert_true(log_say("kept\n"));
    assert_true(log_say("kept\n"));
    assert_int_equal(log_dropped(), 0);
    assert_int_equal(read(ends[0], data, sizeof data), filled);
    for (size_t i = 0; i < filled; i++)
        assert_int_equal(data[i], 'f');
    assert_true(log_say("again\n"));
    assert_int_equal(read(ends[0], data, sizeof data), 16);
    assert_memory_equal(data, "kept\nkept\nagain\n", 16);
    close(ends[0]);
    close(ends[1]);
}

/* Memory is bounded; what finds no space is counted, and the order of the rest is kept. */
static void test_bound(void)
{
    static char record[60000];
    static char data[1 << 20];
    int ends[2];
    size_t kept = 0;
    size_t total = 0;
    assert_int_equal(pipe(ends), 0);
    size_t filled = fill(ends[1]);
    log_to_fd(ends[1]);
    for (; kept < 100; kept++) {
        memset(record, 'a' + (int)kept, sizeof record);
        if (!log_send(record, sizeof record))
            break;
    }
    assert_in_range(kept, 1, 10);
    assert_false(log_send(record, sizeof record));
    assert_int_equal(log_dropped(), 2);
    /* The ring goes round. */
    while (total < filled + kept * sizeof record) {
        total += (size_t)read(ends[0], data + total, sizeof data - total);
        assert_true(total <= filled + kept * sizeof record);
        log_finish(0);
    }
    for (size_t i = 0; i < kept * sizeof record; i++)
        if (data[filled + i] != (char)('a' + i / sizeof record))
            fail_msg("byte %zu is %c", i, data[filled + i]);
    close(ends[0]);
    close(ends[1]);
}

/* What a pipe takes only a part of is completed before anything else. */
static void test_partial_write(void)
{
    static char record[100000];
    static char data[200000];
    int ends[2];
    size_t total = 0;
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < sizeof record; i++)
        record[i] = (char)('a' + i % 23);
    log_to_fd(ends[1]);
    assert_true(log_send(record, sizeof record));
    assert_true(log_say("later\n"));
    total += (size_t)read(ends[0], data, sizeof data);
    assert_true(total < sizeof record);
    assert_true(log_say("next\n"));
    total += (size_t)read(ends[0], data + total, sizeof data - total);
    assert_int_equal(total, sizeof record + 11);
    assert_memory_equal(data, record, sizeof record);
    assert_memory_equal(data + sizeof record, "later\nnext\n", 11);
    close(ends[0]);
    close(ends[1]);
}

static void test_replaced_fd(void)
{
    int ends[2];
    char name[] = "/tmp/pipeshim-log-XXXXXX";
    struct stat file;
    assert_int_equal(pipe(ends), 0);
    log_to_fd(ends[1]);
    int database = mkstemp(name);
    dup2(database, ends[1]);
    assert_false(log_say("not yours\n"));
    fstat(database, &file);
    assert_int_equal(file.st_size, 0);
    close(ends[1]);
    assert_false(log_say("closed\n"));
    close(database);
    close(ends[0]);
    unlink(name);
}

static void test_socket(void)
{
    int ends[2];
    char data[16] = "";
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    log_to_fd(ends[1]);
    assert_true(log_uses_sockets());
    assert_true(log_say("one\n"));
    assert_int_equal(read(ends[0], data, sizeof data), 4);
    fill(ends[1]);
    assert_true(log_say("kept\n"));
    assert_int_equal(log_dropped(), 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_regular_file(void)
{
    char name[] = "/tmp/pipeshim-log-XXXXXX";
    char data[32] = "";
    int fd = mkstemp(name);
    assert_int_equal(write(fd, "old,", 4), 4);
    log_to_fd(fd);
    assert_true(log_say("new,"));
    log_settle();
    assert_int_equal(write(fd, "end", 3), 3); /* the offset is shared: nothing is overwritten */
    assert_int_equal(pread(fd, data, sizeof data, 0), 11);
    assert_string_equal(data, "old,new,end");
    close(fd);
    unlink(name);
}

static void test_terminal(void)
{
    char data[32] = "";
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int fd = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    log_to_fd(fd);
    assert_true(log_say("tty"));
    assert_int_equal(read(terminal, data, sizeof data), 3);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    close(fd);
    close(terminal);
}

BOTH_WAYS(test_pipe)
BOTH_WAYS(test_full_pipe)
BOTH_WAYS(test_bound)
BOTH_WAYS(test_partial_write)
BOTH_WAYS(test_replaced_fd)
BOTH_WAYS(test_socket)
BOTH_WAYS(test_regular_file)
BOTH_WAYS(test_terminal)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipe_both_ways),
        cmocka_unit_test(test_full_pipe_both_ways),
        cmocka_unit_test(test_partial_write_both_ways),
        cmocka_unit_test(test_replaced_fd_both_ways),
        cmocka_unit_test(test_socket_both_ways),
        cmocka_unit_test(test_regular_file_both_ways),
        cmocka_unit_test(test_terminal_both_ways),
        cmocka_unit_test(test_bound_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
