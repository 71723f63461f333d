// SPDX-License-Identifier: MIT
// The reader of Perl's line on images of memory: every version's layout, and damage of every kind.
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "perl_image.h"

enum { FIRST = 28, LAST = 42, READS_LIMIT = 2000, CONTEXT_SIZE = 104, CONTEXTS_LIMIT = 128 };

static struct perl_image image;
static struct perl_place place;
static unsigned reads, contexts_read;

static bool walk(void)
{
    struct memory_reader reader = perl_image_reader(&image);
    memset(&place, 0, sizeof place);
    return perl_walk(&reader, &image.runtime, &place);
}

static void assert_place(const char *file, int line, const char *function)
{
    assert_true(walk());
    assert_string_equal(place.file, file);
    assert_int_equal(place.line, line);
    assert_string_equal(place.function, function);
}

static void assert_innermost(void)
{
    assert_place("/usr/share/perl/5.36/IPC/Open3.pm", 300, "spawn");
}

static void the_users_line_of_every_version(void **state)
{
    (void)state;
    for (unsigned version = FIRST; version <= LAST; version += 2) {
        perl_image_build(&image, version);
        assert_non_null(image.runtime.layout);
        assert_place("/srv/app/deploy.pl", 12, "run");
    }
}

static void of_other_versions_nothing_is_known(void **state)
{
    (void)state;
    static const unsigned others[] = {0, 8, 26, 33, 41, 43, 44, 255};
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(perl_layout_find(others[i]));
}

static void what_is_no_statement_is_no_line(void **state)
{
    (void)state;
    perl_image_build(&image, 36);
    perl_image_poke(&image, image.statements[0] + 16, 0xc0df); /* executed by another function */
    assert_false(walk());
    perl_image_build(&image, 36);
    memcpy(image.bytes + (image.statements[0] + 32 - PERL_IMAGE_ADDRESS), &(uint16_t){7}, 2);
    assert_false(walk()); /* of another type */
    perl_image_build(&image, 36);
    perl_image_poke(&image, image.statements[0] + 48, PERL_IMAGE_ADDRESS); /* no name of a file */
    assert_false(walk());
}

/* What of the outer code cannot be read leaves the innermost line, which is certain. */
static void the_innermost_line_is_left(void **state)
{
    (void)state;
    for (unsigned version = FIRST; version <= LAST; version += 2) {
        perl_image_build(&image, version);
        perl_image_poke(&image, image.statements[1] + 16, 0xdead);
        assert_innermost();
        perl_image_build(&image, version);
        perl_image_poke(&image, image.inner_stack + 16, 0xdead0000);
        assert_innermost();
        perl_image_build(&image, version);
        perl_image_poke(&image, image.outer_stack + 8, 0xdead0000);
        assert_innermost();
    }
}

static void a_sub_without_a_name_is_a_function(void **state)
{
    (void)state;
    perl_image_build(&image, 36);
    uintptr_t key = PERL_IMAGE_ADDRESS + 0x3c00 + 0x200 + 0x120, program;
    memcpy(&program, image.bytes + (image.statements[2] + 48 - PERL_IMAGE_ADDRESS), 8);
    perl_image_poke(&image, image.statements[0] + 48, program);
    assert_place("/srv/app/deploy.pl", 300, "spawn");
    perl_image_poke(&image, key, (uint64_t)0x7fffffff << 32); /* its length */
    assert_place("/srv/app/deploy.pl", 300, "<function>");
}

static size_t counted(const struct memory_reader *reader, uintptr_t address, void *to, size_t size)
{
    struct memory_reader plain = perl_image_reader(&image);
    (void)reader;
    reads++;
    contexts_read += size == CONTEXT_SIZE;
    return plain.read(&plain, address, to, size);
}

static void assert_bounded(void)
{
    struct memory_reader reader = perl_image_reader(&image);
    reader.read = counted;
    reads = contexts_read = 0;
    perl_walk(&reader, &image.runtime, &place);
    assert_in_range(reads, 1, READS_LIMIT);
    assert_in_range(contexts_read, 0, CONTEXTS_LIMIT);
}

static void cycles_and_depths_end(void **state)
{
    (void)state;
    perl_image_build(&image, 36);
    perl_image_poke(&image, image.statements[1] + 48, PERL_IMAGE_ADDRESS + 0x2400 + 0x80);
    perl_image_poke(&image, image.outer_stack + 16, image.inner_stack);
    assert_bounded();
    perl_image_build(&image, 36);
    perl_image_poke(&image, image.inner_stack + 32, INT_MAX);
    assert_bounded();
    perl_image_poke(&image, image.inner_stack + 32, 220); /* all of them are there, blocks */
    perl_image_poke(&image, image.inner_stack + 8, PERL_IMAGE_ADDRESS + 8);
    assert_bounded();
    assert_int_equal(contexts_read, CONTEXTS_LIMIT);
    perl_image_poke(&image, image.inner_stack + 16, image.inner_stack);
    perl_image_poke(&image, image.inner_stack + 32, (uint64_t)-1);
    assert_bounded();
}

static void damage_of_every_word(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, UINT64_MAX, PERL_IMAGE_ADDRESS, 0x7f7f7f7f7f7f7f7f};
    for (unsigned at = 0; at < PERL_IMAGE_SIZE; at += 8) {
        for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
            perl_image_build(&image, 36);
            perl_image_poke(&image, PERL_IMAGE_ADDRESS + at, values[i]);
            if (!walk())
                continue;
            assert_in_range(place.line, 1, 1 << 24);
            assert_non_null(memchr(place.file, '\0', sizeof place.file));
            assert_non_null(memchr(place.function, '\0', sizeof place.function));
            assert_true(place.file[0] != '\0' && place.function[0] != '\0');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_users_line_of_every_version),
        cmocka_unit_test(of_other_versions_nothing_is_known),
        cmocka_unit_test(what_is_no_statement_is_no_line),
        cmocka_unit_test(the_innermost_line_is_left),
        cmocka_unit_test(a_sub_without_a_name_is_a_function),
        cmocka_unit_test(cycles_and_depths_end),
        cmocka_unit_test(damage_of_every_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
