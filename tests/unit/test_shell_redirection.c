// SPDX-License-Identifier: MIT
// The line of a shell's text that writes to a file: the only one, or none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/shell_redirection.h"

static int find(const char *path, const char *text)
{
    int file = memfd_create("script", MFD_CLOEXEC);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    int line = shell_redirection_find(file, path);
    close(file);
    return line;
}

static void as_shells_write_it(void **state)
{
    (void)state;
    assert_int_equal(find("marker", "mkfifo marker\necho $$ >marker # now\n"), 2);
    assert_int_equal(find("marker", "\n\necho >> marker;true"), 3);
    assert_int_equal(find("marker", ">marker\n"), 1);
    assert_int_equal(find("marker", "{ a; b; } 2>\"marker\"\n"), 1);
    assert_int_equal(find("a file", "echo >| 'a file' || true\n"), 1);
    assert_int_equal(find("/run/q.fifo", "(date>/run/q.fifo)\n"), 1);
    assert_int_equal(find("marker", "echo >&2 x >\tmarker&\n"), 1);
}

static void not_guessed(void **state)
{
    (void)state;
    assert_int_equal(find("marker", "echo 1 >marker\necho 2 >marker\n"), 0);
    assert_int_equal(find("marker", "echo >\"$FIFO\"\n"), 0);
    assert_int_equal(find("marker", "cat <marker\nexec 3<>marker\n"), 0);
    assert_int_equal(find("marker", "echo >marker2\necho >amarker\necho >\"marker\"2\n"), 0);
    assert_int_equal(find("marker", "  # echo >marker\n"), 0);
    assert_int_equal(find("", "echo > \n"), 0);
    assert_int_equal(find("marker", ""), 0);
}

static void a_comment_beside_it(void **state)
{
    (void)state;
    assert_int_equal(find("marker", "#!/bin/sh\n# >marker is read by the daemon\necho >marker\n"),
                     3);
}

static void a_line_of_any_length(void **state)
{
    static char text[20000];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    strcpy(text + sizeof text - 20, "\necho >marker\n");
    assert_int_equal(find("marker", text), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_shells_write_it),
        cmocka_unit_test(not_guessed),
        cmocka_unit_test(a_comment_beside_it),
        cmocka_unit_test(a_line_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
