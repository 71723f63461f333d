// SPDX-License-Identifier: MIT
/* Who holds a pipe's other end is asked of all processes once, and what may not be read is not
 * asked for piece by piece. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_calls.h"
#include "kernel/fd_scan.h"
#include "watch/known_peers.h"

static int ends[2];
static pid_t reader, closed_one; /* the second may not be read */
static char folder[64];          /* its descriptors */
static long folder_fd;
static unsigned lists, links; /* how often its list was opened, and its links asked for */

static pid_t spawn(void)
{
    int ready[2];
    char byte;
    assert_return_code(pipe(ready), errno);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[1]);
        if (reader != 0) /* this is the other one */
            close(ends[0]);
        close(ready[1]); /* says that all is closed; the other end is one of its descriptors */
        for (;;)
            pause();
    }
    assert_true(child > 0);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 0);
    close(ready[0]);
    return child;
}

static long open_noted(long number, long a, long b, long c, long d, long e, long f)
{
    long fd = raw_syscall6(number, a, b, c, d, e, f);
    if (strcmp((const char *)b, folder) == 0) {
        lists++;
        folder_fd = fd;
    } else if (fd == folder_fd) {
        folder_fd = -1; /* the number is another one's now */
    }
    return fd;
}

/* As a kernel does for root without CAP_SYS_PTRACE: it lists the descriptors and shows none. */
static long link_refused(long number, long a, long b, long c, long d, long e, long f)
{
    if (folder_fd < 0 || a != folder_fd)
        return raw_syscall6(number, a, b, c, d, e, f);
    links++;
    return -EACCES;
}

static int begin(void **state)
{
    (void)state;
    reader = 0;
    folder_fd = -1;
    lists = links = 0;
    assert_return_code(pipe(ends), errno);
    reader = spawn();
    close(ends[0]);
    closed_one = spawn();
    snprintf(folder, sizeof folder, "/proc/%d/fd", closed_one);
    calls_replace(SYS_openat, open_noted);
    calls_replace(SYS_readlinkat, link_refused);
    known_peers_begin();
    return 0;
}

static int end(void **state)
{
    (void)state;
    calls_restore();
    kill(reader, SIGKILL);
    kill(closed_one, SIGKILL);
    waitpid(reader, NULL, 0);
    waitpid(closed_one, NULL, 0);
    close(ends[1]);
    return 0;
}

static struct object_facts facts_of_the_pipe(void)
{
    struct stat status;
    assert_return_code(fstat(ends[1], &status), errno);
    return (struct object_facts){.kind = OBJECT_PIPE, .pipe.inode = status.st_ino};
}

static void test_found_once(void **state)
{
    (void)state;
    struct object_facts first = facts_of_the_pipe();
    known_peers_find(ROLE_WRITER, ACCESS_PROC, &first);
    assert_int_equal(lists, 1);
    assert_int_equal(first.pipe.peer_count, 1);
    assert_int_equal(first.pipe.peers[0].pid, reader);
    assert_true(first.pipe.peers_unreadable >= 1);

    struct object_facts second = facts_of_the_pipe();
    known_peers_find(ROLE_WRITER, ACCESS_PROC, &second);
    assert_int_equal(lists, 1); /* not again, though there is one that may not be read */
    assert_true(second.pipe.peers_known);
    assert_int_equal(second.pipe.peer_count, 1);
    assert_int_equal(second.pipe.peers[0].pid, reader);
    assert_int_equal(second.pipe.peers_unreadable, first.pipe.peers_unreadable);
}

static void test_found_anew_when_one_is_gone(void **state)
{
    (void)state;
    struct object_facts facts = facts_of_the_pipe();
    known_peers_find(ROLE_WRITER, ACCESS_PROC, &facts);
    assert_int_equal(facts.pipe.peer_count, 1);
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    facts = facts_of_the_pipe();
    known_peers_find(ROLE_WRITER, ACCESS_PROC, &facts);
    assert_int_equal(lists, 2);
    assert_int_equal(facts.pipe.peer_count, 0);
}

/* It has three descriptors at least: those that a program begins with. */
static void test_a_refused_link_is_the_last(void **state)
{
    (void)state;
    struct stat status;
    assert_return_code(fstat(ends[1], &status), errno);
    struct object_key key = {.inode = status.st_ino};
    assert_int_equal(fd_find(closed_one, key, FD_READS), -EACCES);
    assert_int_equal(links, 1);

    struct fd_iterator fds;
    assert_int_equal(fd_iterate(&fds, closed_one), 0);
    assert_false(fd_next(&fds));
    assert_int_equal(fds.directory.error, -EACCES);
    assert_int_equal(links, 2);
    assert_false(fd_next(&fds));
    fd_iterate_end(&fds);
    assert_int_equal(fd_find(reader, key, FD_READS), ends[0]); /* one that may be read is, whole */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_found_once),
        TEST(test_found_anew_when_one_is_gone),
        TEST(test_a_refused_link_is_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
