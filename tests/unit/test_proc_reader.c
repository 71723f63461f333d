// SPDX-License-Identifier: MIT
/* Files of /proc: none is read in part. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/proc_reader.h"

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

static void write_text(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
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
    char comm[17];
    assert_true(proc_read_piece_of(0, 0, "comm", comm, sizeof comm) > 0);
    assert_non_null(strchr(comm, '\n'));
}

static bool visit_until(struct line_reader *lines, const char *wanted)
{
    for (const char *line; (line = lines_next(lines));)
        if (strcmp(line, wanted) == 0)
            return true;
    return false;
}

static void test_lines_behind_a_long_one(void **state)
{
    (void)state;
    static struct line_reader lines;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 100000; i++)
        fputc('x', file);
    fputs("\nlast", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(lines_open(&lines, path), 0);
    assert_true(visit_until(&lines, "last"));
    assert_null(lines_next(&lines));
    lines_close(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_or_nothing),
        cmocka_unit_test(test_lines_behind_a_long_one),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
