// SPDX-License-Identifier: MIT
/* A process whose descriptors may be listed, and not read: it is refused once, not once for each.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_calls.h"
#include "kernel/fd_scan.h"

static char folder[64];      /* the descriptors of the process: this one stands for it */
static long folder_fd = -1;  /* where it is open */
static unsigned links_asked; /* of it */

static long open_noted(long number, long a, long b, long c, long d, long e, long f)
{
    long fd = raw_syscall6(number, a, b, c, d, e, f);
    const char *path = (const char *)b; // NOLINT(performance-no-int-to-ptr)
    if (strcmp(path, folder) == 0)
        folder_fd = fd;
    return fd;
}

/* As a kernel does for root without CAP_SYS_PTRACE. */
static long link_refused(long number, long a, long b, long c, long d, long e, long f)
{
    if (a != folder_fd)
        return raw_syscall6(number, a, b, c, d, e, f);
    links_asked++;
    return -EACCES;
}

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/proc/%d/fd", getpid());
    folder_fd = -1;
    links_asked = 0;
    assert_true(open_descriptors() > 2); /* so that there are several */
    calls_replace(SYS_openat, open_noted);
    calls_replace(SYS_readlinkat, link_refused);
    return 0;
}

static int end(void **state)
{
    (void)state;
    calls_restore();
    return 0;
}

static void test_one_descriptor_is_looked_for(void **state)
{
    (void)state;
    struct object_key pipe_of_nobody = {.inode = 1};
    assert_int_equal(fd_find(getpid(), pipe_of_nobody, FD_READS), -EACCES);
    assert_int_equal(links_asked, 1);
}

static void test_all_descriptors_are_listed(void **state)
{
    (void)state;
    struct fd_iterator fds;
    assert_int_equal(fd_iterate(&fds, getpid()), 0);
    assert_false(fd_next(&fds));
    assert_false(fd_next(&fds)); /* it stays so */
    assert_int_equal(fds.directory.error, -EACCES);
    assert_int_equal(links_asked, 1);
    fd_iterate_end(&fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_descriptor_is_looked_for, begin, end),
        cmocka_unit_test_setup_teardown(test_all_descriptors_are_listed, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
