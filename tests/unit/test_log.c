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

#include "base/clock.h"
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

/* What is on a disk is written by a process of its own: until it is done. */
static void settle(void)
{
    log_finish(clock_monotonic_ns() + 20ULL * NS_PER_S);
}

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
    log_prepare(where, engine, NULL);
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
    assert_true(say("kept\n"));
    assert_true(say("kept\n"));
    assert_int_equal(log_dropped(), 0);
    assert_int_equal(read(ends[0], data, sizeof data), filled);
    for (size_t i = 0; i < filled; i++)
        assert_int_equal(data[i], 'f');
    assert_true(say("again\n"));
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
        if (!send_record(record, sizeof record))
            break;
    }
    assert_in_range(kept, 1, 10);
    assert_false(send_record(record, sizeof record));
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
    assert_true(send_record(record, sizeof record));
    assert_true(say("later\n"));
    total += (size_t)read(ends[0], data, sizeof data);
    assert_true(total < sizeof record);
    assert_true(say("next\n"));
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
    assert_true(say("kept\n"));
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
    assert_true(say("new,"));
    settle();
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
    log_prepare(pattern, engine, NULL);
    log_begin_in_child();
    assert_false(log_uses_sockets());
    assert_true(say("a\n"));
    assert_true(say("b\n"));
    settle();
    struct stat made;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &made), 0);
    assert_int_equal(made.st_mode, S_IFREG | 0600);
    assert_int_equal(read(fd, data, sizeof data), 4);
    assert_string_equal(data, "a\nb\n");
    close(fd);
    unlink(path);
}

/* What cannot be opened is reported once, and stderr is used instead. */
static void goes_to_stderr(const char *pattern, const char *reason)
{
    char message[512];
    char data[64] = "";
    struct text_buffer text;
    int ends[2];
    int saved = dup(2);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], 2);
    log_prepare(pattern, engine, NULL);
    log_begin_in_child();
    bool added = say("a\n");
    settle();
    text_init(&text, message, sizeof message);
    bool trouble = log_trouble(&text);
    settle();
    ssize_t size = read(ends[0], data, sizeof data);
    bool again = log_trouble(&text);
    added = added && say("b\n");
    size += read(ends[0], data + size, sizeof data - (size_t)size);
    dup2(saved, 2);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    assert_true(added && trouble && !again);
    assert_string_equal(data, "a\nb\n");
    assert_int_equal(size, 4);
    if (!strstr(message, pattern) || !strstr(message, reason) || !strstr(message, "stderr"))
        fail_msg("not of %s, %s: %s", pattern, reason, message);
}

static void test_what_cannot_be_opened(void)
{
    char folder[] = "/tmp/pipeshim-log-XXXXXX";
    char file[64];
    char path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/log", folder);
    snprintf(file, sizeof file, "%s/file", folder);
    goes_to_stderr("/nonexistent/log", "no such file");
    goes_to_stderr(folder, "is a directory");
    assert_int_equal(mkfifo(path, 0600), 0);
    goes_to_stderr(path, "nobody reads this FIFO");
    unlink(path);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(link(file, path), 0); /* planted, to make us write into it */
    goes_to_stderr(path, "second name");
    unlink(path);
    if (geteuid() == 0) {
        assert_int_equal(fchown(fd, 65534, 65534), 0);
        goes_to_stderr(file, "belongs to another user");
        assert_int_equal(fchown(fd, 0, 0), 0);
        assert_int_equal(symlink(file, path), 0);
        assert_int_equal(lchown(path, 65534, 65534), 0);
        goes_to_stderr(path, "symbolic link of another user");
        unlink(path);
    }
    struct stat untouched;
    assert_int_equal(fstat(fd, &untouched), 0);
    assert_int_equal(untouched.st_size, 0);
    close(fd);
    unlink(file);
    rmdir(folder);
}

/* Links of one's own and ".." are followed, and the working directory is that of the start. */
static void test_the_way(void)
{
    char folder[] = "/tmp/pipeshim-log-XXXXXX";
    char path[64];
    struct stat made;
    assert_non_null(mkdtemp(folder));
    int before = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("a", 0700), 0);
    assert_int_equal(symlink("a/../a", "link"), 0);
    snprintf(path, sizeof path, "%s/real", folder);
    assert_int_equal(symlink(path, "a/log"), 0);
    log_prepare("./link//log", engine, NULL);
    log_begin_in_child();
    assert_int_equal(chdir("/"), 0);
    assert_true(say("one\n"));
    settle();
    assert_int_equal(stat(path, &made), 0);
    assert_int_equal(made.st_size, 4);
    assert_int_equal(made.st_mode, S_IFREG | 0600);
    assert_int_equal(fchdir(before), 0);
    close(before);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_loop_of_links(void)
{
    char folder[] = "/tmp/pipeshim-log-XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/log", folder);
    assert_int_equal(symlink("log", path), 0);
    goes_to_stderr(path, "too many symbolic links");
    unlink(path);
    rmdir(folder);
}

/* A process that has nothing but its start to tell makes no file. */
static void test_kept(void)
{
    char path[64];
    struct stat made;
    snprintf(path, sizeof path, "/tmp/pipeshim-log-kept-%d", getpid());
    log_prepare(path, engine, NULL);
    log_begin_in_child();
    assert_true(log_keep("start\n", 6, false));
    settle();
    assert_true(log_keeps());
    assert_int_equal(stat(path, &made), -1);
    assert_true(say("event\n"));
    assert_false(log_keeps());
    settle();
    assert_int_equal(stat(path, &made), 0);
    assert_int_equal(made.st_size, 12);
    unlink(path);
}

static void test_errno_is_kept(void)
{
    log_prepare("/nonexistent/log", engine, NULL);
    log_begin_in_child();
    errno = 77;
    assert_true(log_record("x", 1, false));
    settle();
    assert_int_equal(errno, 77);
    log_begin_in_child();
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
BOTH_WAYS(test_bound)
BOTH_WAYS(test_what_cannot_be_opened)
BOTH_WAYS(test_the_way)
BOTH_WAYS(test_loop_of_links)
BOTH_WAYS(test_kept)
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
        cmocka_unit_test(test_bound_both_ways),
        cmocka_unit_test(test_what_cannot_be_opened_both_ways),
        cmocka_unit_test(test_the_way_both_ways),
        cmocka_unit_test(test_loop_of_links_both_ways),
        cmocka_unit_test(test_kept_both_ways),
        cmocka_unit_test(test_errno_is_kept_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
