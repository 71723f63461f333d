// SPDX-License-Identifier: MIT
/* The log's destinations, with the program's fds and from a thread whose fd table is its own. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/log.h"

static const char *engine(void)
{
    return "engine";
}

static bool own_table;
static char where[32];

struct record {
    const char *data;
    size_t size;
    bool written;
};

static void *record_without_fds(void *argument)
{
    struct record *record = argument;
    if (unshare(CLONE_FILES) != 0 || close_range(0, ~0U, 0) != 0)
        abort();
    record->written = log_record(record->data, record->size, true);
    return NULL;
}

static bool send_record(const char *data, size_t size)
{
    struct record record = {data, size, false};
    pthread_t thread;
    if (!own_table)
        return log_record(data, size, false);
    assert_int_equal(pthread_create(&thread, NULL, record_without_fds, &record), 0);
    pthread_join(thread, NULL);
    return record.written;
}

static bool say(const char *text)
{
    return send_record(text, strlen(text));
}

static void log_to_fd(int fd)
{
    snprintf(where, sizeof where, "fd:%d", fd);
    log_prepare(where, engine);
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
    assert_true(say("one\n"));
    assert_int_equal(read(ends[0], data, sizeof data), 4);
    assert_string_equal(data, "one\n");
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    close(ends[0]);
    assert_false(say("two\n")); /* SIGPIPE has its default disposition: it would end us */
    close(ends[1]);
}

static void test_full_pipe(void)
{
    static char data[1 << 17];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    size_t filled = fill(ends[1]);
    log_to_fd(ends[1]);
    assert_false(say("lost\n"));
    assert_false(say("lost\n"));
    assert_int_equal(log_dropped(), 2);
    assert_int_equal(read(ends[0], data, sizeof data), filled);
    for (size_t i = 0; i < filled; i++)
        assert_int_equal(data[i], 'f');
    assert_true(say("again\n"));
    assert_int_equal(read(ends[0], data, sizeof data), 6);
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
    assert_true(send_record(record, sizeof record));
    assert_false(say("dropped\n"));
    total += (size_t)read(ends[0], data, sizeof data);
    assert_true(total < sizeof record);
    assert_true(say("next\n"));
    total += (size_t)read(ends[0], data + total, sizeof data - total);
    assert_int_equal(total, sizeof record + 5);
    assert_memory_equal(data, record, sizeof record);
    assert_memory_equal(data + sizeof record, "next\n", 5);
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
    assert_false(say("not yours\n"));
    fstat(database, &file);
    assert_int_equal(file.st_size, 0);
    close(ends[1]);
    assert_false(say("closed\n"));
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
    assert_true(say("one\n"));
    assert_int_equal(read(ends[0], data, sizeof data), 4);
    fill(ends[1]);
    assert_false(say("lost\n"));
    close(ends[0]);
    assert_false(say("no reader\n"));
    close(ends[1]);
}

static void test_regular_file(void)
{
    char name[] = "/tmp/pipeshim-log-XXXXXX";
    char data[32] = "";
    int fd = mkstemp(name);
    assert_int_equal(write(fd, "old,", 4), 4);
    log_to_fd(fd);
    assert_true(say("new,"));
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
    assert_true(say("tty"));
    assert_int_equal(read(terminal, data, sizeof data), 3);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    close(fd);
    close(terminal);
}

static void test_path(void)
{
    char pattern[128] = "/tmp/pipeshim-%e-%h-%p-%%-%x";
    char path[512];
    char data[32] = "";
    struct utsname host;
    uname(&host);
    snprintf(path, sizeof path, "/tmp/pipeshim-engine-%s-%d-%%-%%x", host.nodename, getpid());
    log_prepare(pattern, engine);
    log_begin_in_child();
    assert_false(log_uses_sockets());
    assert_true(say("a\n"));
    assert_true(say("b\n"));
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, data, sizeof data), 4);
    assert_string_equal(data, "a\nb\n");
    close(fd);
    unlink(path);
}

static void test_fifo_without_reader(void)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/pipeshim-fifo-%d", getpid());
    assert_int_equal(mkfifo(path, 0600), 0);
    log_prepare(path, engine);
    log_begin_in_child();
    assert_false(say("a\n"));
    unlink(path);
}

static void test_errno_is_kept(void)
{
    log_prepare("/nonexistent/log", engine);
    log_begin_in_child();
    errno = 77;
    assert_false(log_record("x", 1, false));
    assert_int_equal(errno, 77);
}

#define BOTH_WAYS(name)                                                                            \
    static void name##_both_ways(void **state)                                                     \
    {                                                                                              \
        (void)state;                                                                               \
        own_table = false;                                                                         \
        name();                                                                                    \
        own_table = true;                                                                          \
        name();                                                                                    \
    }
BOTH_WAYS(test_pipe)
BOTH_WAYS(test_full_pipe)
BOTH_WAYS(test_partial_write)
BOTH_WAYS(test_replaced_fd)
BOTH_WAYS(test_socket)
BOTH_WAYS(test_regular_file)
BOTH_WAYS(test_terminal)
BOTH_WAYS(test_path)
BOTH_WAYS(test_fifo_without_reader)
BOTH_WAYS(test_errno_is_kept)

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
        cmocka_unit_test(test_path_both_ways),
        cmocka_unit_test(test_fifo_without_reader_both_ways),
        cmocka_unit_test(test_errno_is_kept_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
