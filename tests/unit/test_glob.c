// SPDX-License-Identifier: MIT
/* Shell patterns, against fnmatch(3) where the two mean the same. */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/glob.h"

static bool match(const char *pattern, const char *text)
{
    return glob_match(pattern, strlen(pattern), text);
}

static void test_forms(void **state)
{
    (void)state;
    assert_true(match("", ""));
    assert_false(match("", "a"));
    assert_true(match("*", ""));
    assert_true(match("a*c", "abbc"));
    assert_false(match("a*c", "abbd"));
    assert_true(match("?b", "ab"));
    assert_false(match("?", ""));
    assert_true(match("[a-c]x", "bx"));
    assert_false(match("[!a-c]x", "bx"));
    assert_true(match("[]]", "]"));
    assert_true(match("[ab", "[ab"));
    assert_true(match("\\*", "*"));
    assert_false(match("\\*", "a"));
    assert_true(glob_match("abcdef", 3, "abc"));
}

static void test_lists(void **state)
{
    (void)state;
    assert_true(glob_list_match("a,b*", "bc"));
    assert_false(glob_list_match("a,b", "bc"));
    assert_false(glob_list_match("", "a"));
    assert_false(glob_list_match(",,", ""));
    assert_true(glob_list_match(",a", "a"));
}

static void test_agrees_with_fnmatch(void **state)
{
    (void)state;
    srandom(7);
    for (int round = 0; round < 200000; round++) {
        char pattern[8] = "";
        char text[8] = "";
        for (long i = random() % 7; i > 0; i--)
            pattern[i - 1] = "ab*?c"[random() % 5];
        for (long i = random() % 7; i > 0; i--)
            text[i - 1] = "abc"[random() % 3];
        if (match(pattern, text) != (fnmatch(pattern, text, 0) == 0))
            fail_msg("'%s' on '%s'", pattern, text);
    }
}

/* A pattern of many stars is not exponential: this would not end. */
static void test_many_stars(void **state)
{
    char text[2001];
    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(match("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_agrees_with_fnmatch),
        cmocka_unit_test(test_many_stars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
