// SPDX-License-Identifier: MIT
/* The log by a path: what is opened, what is not and why, and what is said of it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#include "log_case.h"
#include "report/log.h"

static void test_path(void)
{
    char pattern[128] = "/tmp/pipeshim-%e-%h-%p-%%-%x";
    char path[512];
    char data[32] = "";
    struct utsname host;
    uname(&host);
    snprintf(path, sizeof path, "/tmp/pipeshim-engine-%s-%d-%%-%%x", host.nodename, getpid());
    log_prepare(pattern, log_engine, NULL);
    log_begin_in_child();
    assert_false(log_uses_sockets());
    assert_true(log_say("a\n"));
    assert_true(log_say("b\n"));
    log_settle();
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
    log_prepare(pattern, log_engine, NULL);
    log_begin_in_child();
    bool added = log_say("a\n");
    log_settle();
    text_init(&text, message, sizeof message);
    bool trouble = log_trouble(&text);
    log_settle();
    ssize_t size = read(ends[0], data, sizeof data);
    bool again = log_trouble(&text);
    added = added && log_say("b\n");
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
        assert_int_equal(chmod(folder, 01777), 0); /* as /tmp: the kernel refuses it first */
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
    log_prepare("./link//log", log_engine, NULL);
    log_begin_in_child();
    assert_int_equal(chdir("/"), 0);
    assert_true(log_say("one\n"));
    log_settle();
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
    log_prepare(path, log_engine, NULL);
    log_begin_in_child();
    assert_true(log_keep("start\n", 6, false));
    log_settle();
    assert_true(log_keeps());
    assert_int_equal(stat(path, &made), -1);
    assert_true(log_say("event\n"));
    assert_false(log_keeps());
    log_settle();
    assert_int_equal(stat(path, &made), 0);
    assert_int_equal(made.st_size, 12);
    unlink(path);
}

static void test_errno_is_kept(void)
{
    log_prepare("/nonexistent/log", log_engine, NULL);
    log_begin_in_child();
    errno = 77;
    assert_true(log_record("x", 1, false));
    log_settle();
    assert_int_equal(errno, 77);
    log_begin_in_child();
}

BOTH_WAYS(test_path)
BOTH_WAYS(test_what_cannot_be_opened)
BOTH_WAYS(test_the_way)
BOTH_WAYS(test_loop_of_links)
BOTH_WAYS(test_kept)
BOTH_WAYS(test_errno_is_kept)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_both_ways),
        cmocka_unit_test(test_what_cannot_be_opened_both_ways),
        cmocka_unit_test(test_the_way_both_ways),
        cmocka_unit_test(test_loop_of_links_both_ways),
        cmocka_unit_test(test_kept_both_ways),
        cmocka_unit_test(test_errno_is_kept_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
