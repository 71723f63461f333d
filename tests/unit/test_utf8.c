// SPDX-License-Identifier: MIT
/* Foreign names on their way to a terminal: one line, no command, no turned direction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

static char data[64];

static void shows(const char *name, const char *expected)
{
    struct text_buffer text;
    text_init(&text, data, sizeof data);
    text_printable(&text, name);
    assert_string_equal(data, expected);
    assert_false(text.truncated);
}

static void test_what_may_be_shown(void **state)
{
    (void)state;
    shows("", "");
    shows("a b~", "a b~");
    shows("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
          "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void test_controls(void **state)
{
    (void)state;
    shows("x\npipeshim: OK", "x?pipeshim: OK");
    shows("\x1b]0;title\a\x7f\t\r", "?]0;title????");
    shows("\xc2\x80\xc2\x9b[2J\xc2\x9f\xc2\xa0", "??[2J?\xc2\xa0"); /* C1; U+00A0 is a space */
    shows("\xe2\x80\xa8\xe2\x80\xa9", "??");                        /* U+2028, U+2029 */
}

static void test_direction(void **state)
{
    (void)state;
    shows("a\xe2\x80\xae"
          "cod.exe",
          "a?cod.exe");                                            /* U+202E */
    shows("\xe2\x80\xaa\xe2\x81\xa6\xe2\x81\xa9", "???");          /* U+202A, U+2066, U+2069 */
    shows("\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "???");              /* U+200E, U+200F, U+061C */
    shows("\xe2\x80\x8d\xe2\x81\xaa", "\xe2\x80\x8d\xe2\x81\xaa"); /* their neighbours */
}

static void test_no_utf8(void **state)
{
    (void)state;
    shows("\xff\x9b[2J", "??[2J"); /* an 8-bit terminal's command */
    shows("a\xc3", "a?");
    shows("\xc0\x8a", "??"); /* an overlong newline */
    shows("\xed\xa0\x80", "???");
    shows("\xf4\x90\x80\x80", "????");
}

static void test_bounds(void **state)
{
    struct text_buffer text;
    (void)state;
    text_init(&text, data, 5);
    text_printable(&text, "abc\xc3\xbc"); /* no half of a character */
    assert_string_equal(data, "abc");
    assert_true(text.truncated);
    text_init(&text, data, sizeof data);
    text_printable_part(&text, "ab\xc3\xbc", 3);
    assert_string_equal(data, "ab?");
    text_printable(&text, NULL);
    assert_string_equal(data, "ab?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_may_be_shown),
        cmocka_unit_test(test_controls),
        cmocka_unit_test(test_direction),
        cmocka_unit_test(test_no_utf8),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
