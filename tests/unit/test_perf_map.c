// SPDX-License-Identifier: MIT
// Names from a runtime's perf map: real files, read as the library reads them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/perf_map.h"
#include "left_out.h"

static FILE *map_file(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    return file;
}

static unsigned find_in(FILE *file, struct perf_map_name *names, unsigned count)
{
    assert_int_equal(fflush(file), 0);
    assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
    return perf_map_read(fileno(file), names, count);
}

static void names_all_addresses_in_one_pass(void **state)
{
    (void)state;
    FILE *file = map_file();
    fputs("7f0000001000 40 JS:~auditLog /app/server.js:2:18\n"
          "7f0000002000 b py::inner:/app/block.py\n",
          file);
    struct perf_map_name names[] = {
        {.pc = 0x7f000000200a}, {.pc = 0x7f0000001000}, {.pc = 0x7f0000001040}, {.pc = 0x10}};
    assert_int_equal(find_in(file, names, 4), 2);
    assert_string_equal(names[0].name, "py::inner:/app/block.py");
    assert_int_equal(names[0].start, 0x7f0000002000);
    assert_string_equal(names[1].name, "JS:~auditLog /app/server.js:2:18");
    assert_string_equal(names[2].name, ""); /* the end is not part of a function */
    assert_string_equal(names[3].name, "");
    fclose(file);
}

static void the_last_of_overlapping_entries_counts(void **state)
{
    (void)state;
    FILE *file = map_file();
    fputs("1000 100 old\n1010 20 new\n2000 10 later\n", file);
    struct perf_map_name names[] = {{.pc = 0x1015}, {.pc = 0x1005}};
    assert_int_equal(find_in(file, names, 2), 2);
    assert_string_equal(names[0].name, "new");
    assert_string_equal(names[1].name, "old");
    fclose(file);
}

static void damaged_lines_are_skipped(void **state)
{
    (void)state;
    FILE *file = map_file();
    fputs("zz 10 not a number\n"
          "\n"
          "1000\n"
          "1000 10\n"
          "1000 10 \n"
          " 1000 10 space first\n"
          "00000000000000000001000 10 too many digits\n"
          "0x1000 0x10 with prefix\n"
          "1000 10 cut",
          file);
    struct perf_map_name name = {.pc = 0x1008};
    assert_int_equal(find_in(file, &name, 1), 1);
    assert_string_equal(name.name, "with prefix");
    fclose(file);
}

static void entries_that_wrap_around_name_only_what_they_hold(void **state)
{
    (void)state;
    FILE *file = map_file();
    fputs("fffffffffffff000 ffffffffffffffff wraps\n", file);
    struct perf_map_name names[] = {{.pc = 0x1000}, {.pc = 0xfffffffffffff800}};
    assert_int_equal(find_in(file, names, 2), 1);
    assert_string_equal(names[0].name, "");
    assert_string_equal(names[1].name, "wraps");
    fclose(file);
}

static void long_names_are_cut_between_characters(void **state)
{
    (void)state;
    FILE *file = map_file();
    fputs("1000 10 xy", file); /* so that the limit falls inside a character */
    for (int i = 0; i < 5000; i++)
        fputs("\xe5\x87\xbd", file);
    fputs("\n2000 10 after\n", file);
    struct perf_map_name names[] = {{.pc = 0x1000}, {.pc = 0x2000}};
    assert_int_equal(find_in(file, names, 2), 2);
    size_t length = strlen(names[0].name);
    assert_int_equal((length - 2) % 3, 0);
    assert_true(length > SYMBOL_NAME_LIMIT - 5);
    assert_string_equal(names[1].name, "after");
    fclose(file);
}

static void control_characters_are_replaced(void **state)
{
    (void)state;
    FILE *file = map_file();
    fputs("1000 10 a\x1b[31mb\tc\n", file);
    struct perf_map_name name = {.pc = 0x1000};
    assert_int_equal(find_in(file, &name, 1), 1);
    assert_string_equal(name.name, "a?[31mb?c");
    fclose(file);
}

static void map_path(char *path, size_t size)
{
    snprintf(path, size, "/tmp/perf-%d.map", getpid());
}

static void the_process_finds_its_own_map(void **state)
{
    (void)state;
    char path[64];
    map_path(path, sizeof path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("1000 10 mine\n", file);
    fclose(file);
    struct perf_map_name own = {.pc = 0x1000}, outside = {.pc = 0x1000};
    unsigned by_itself = perf_map_find(0, &own, 1), by_pid = perf_map_find(getpid(), &outside, 1);
    unlink(path);
    assert_int_equal(by_itself, 1);
    assert_string_equal(own.name, "mine");
    assert_int_equal(by_pid, 1);
    assert_string_equal(outside.name, "mine");
    assert_int_equal(perf_map_find(0, &own, 1), 0);
    assert_string_equal(own.name, "");
}

static void links_and_fifos_of_that_name_are_not_read(void **state)
{
    (void)state;
    char path[64], target[] = "/tmp/perf-map-test-XXXXXX";
    map_path(path, sizeof path);
    int fd = mkstemp(target);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "1000 10 planted\n", 16), 16);
    close(fd);
    assert_int_equal(symlink(target, path), 0);
    struct perf_map_name name = {.pc = 0x1000};
    unsigned through_link = perf_map_find(0, &name, 1);
    unlink(path);
    unlink(target);
    assert_int_equal(mkfifo(path, 0600), 0);
    unsigned through_fifo = perf_map_find(0, &name, 1);
    unlink(path);
    assert_int_equal(through_link, 0);
    assert_int_equal(through_fifo, 0);
}

static void a_map_of_another_user_is_not_believed(void **state)
{
    (void)state;
    if (geteuid() != 0)
        LEAVE_OUT("only root can give a file away");
    char path[64];
    map_path(path, sizeof path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("1000 10 planted\n", file);
    fclose(file);
    assert_int_equal(chown(path, 65534, 65534), 0);
    struct perf_map_name name = {.pc = 0x1000};
    unsigned found = perf_map_find(0, &name, 1);
    unlink(path);
    assert_int_equal(found, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_all_addresses_in_one_pass),
        cmocka_unit_test(the_last_of_overlapping_entries_counts),
        cmocka_unit_test(damaged_lines_are_skipped),
        cmocka_unit_test(entries_that_wrap_around_name_only_what_they_hold),
        cmocka_unit_test(long_names_are_cut_between_characters),
        cmocka_unit_test(control_characters_are_replaced),
        cmocka_unit_test(the_process_finds_its_own_map),
        cmocka_unit_test(links_and_fifos_of_that_name_are_not_read),
        cmocka_unit_test(a_map_of_another_user_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
