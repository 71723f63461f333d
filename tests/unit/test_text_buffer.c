// SPDX-License-Identifier: MIT
/* The bounded string builder against snprintf. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text_buffer.h"

static const uint64_t numbers[] = {0,          1,         9,          10,
                                   99,         100,       4294967295, 1ULL << 32,
                                   UINT64_MAX, INT64_MAX, 1ULL << 63, 12345678901234567890ULL};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char data[64];
        char expected[64];
        struct text_buffer text;
        text_init(&text, data, sizeof data);
        text_unsigned(&text, numbers[i]);
        snprintf(expected, sizeof expected, "%" PRIu64, numbers[i]);
        assert_string_equal(data, expected);
        text_init(&text, data, sizeof data);
        text_signed(&text, (int64_t)numbers[i]);
        snprintf(expected, sizeof expected, "%" PRId64, (int64_t)numbers[i]);
        assert_string_equal(data, expected);
        text_init(&text, data, sizeof data);
        text_hex(&text, numbers[i]);
        snprintf(expected, sizeof expected, "0x%" PRIx64, numbers[i]);
        assert_string_equal(data, expected);
        text_init(&text, data, sizeof data);
        text_padded(&text, numbers[i], 6);
        snprintf(expected, sizeof expected, "%06" PRIu64, numbers[i]);
        assert_string_equal(data, expected);
    }
}

static void test_milliseconds(void **state)
{
    char data[32];
    struct text_buffer text;
    (void)state;
    text_init(&text, data, sizeof data);
    text_milliseconds(&text, 1234567);
    assert_string_equal(data, "1.2");
}

/* For each capacity: never a byte behind it, always terminated, `truncated` exactly when cut. */
static void test_bounds(void **state)
{
    static const char whole[] = "abc-42-0x2a";
    (void)state;
    for (size_t capacity = 1; capacity <= sizeof whole + 2; capacity++) {
        char data[32];
        struct text_buffer text;
        memset(data, '#', sizeof data);
        text_init(&text, data, capacity);
        text_string(&text, "abc");
        text_string(&text, NULL);
        text_signed(&text, -42);
        text_char(&text, '-');
        text_hex(&text, 42);
        assert_int_equal(text.length, strlen(data));
        assert_int_equal(text.truncated, capacity < sizeof whole);
        assert_memory_equal(data, whole, text.length);
        for (size_t i = capacity; i < sizeof data; i++)
            assert_int_equal(data[i], '#');
    }
}

static void check_format(const char *expected, struct text_buffer *text)
{
    assert_string_equal(text->data, expected);
    assert_int_equal(text->length, strlen(expected));
    text_init(text, text->data, text->capacity);
}

static void test_format(void **state)
{
    (void)state;
    char data[128];
    struct text_buffer text;
    text_init(&text, data, sizeof data);
    text_format(&text, "nothing to replace");
    check_format("nothing to replace", &text);
    text_format(&text, "%s (%d): %u of %u, 100%%", "engine", -7, 1U, UINT32_MAX);
    check_format("engine (-7): 1 of 4294967295, 100%", &text);
    text_format(&text, "%ld %lu %lld %zu", INT64_MIN, UINT64_MAX, (long long)-1, sizeof(uint64_t));
    check_format("-9223372036854775808 18446744073709551615 -1 8", &text);
    text_format(&text, "%x %lx %c%c", 0xbeefU, UINT64_MAX, 'o', 'k');
    check_format("beef ffffffffffffffff ok", &text);
    text_format(&text, "[%.*s][%.*s]", 3, "abcdef", 9, "ab");
    check_format("[abc][ab]", &text);
    const char *volatile none = NULL;
    text_format(&text, "[%s]", none);
    check_format("[]", &text);
}

/* What it does not know is written as it stands, and takes no argument. */
static void test_format_that_is_none(void **state)
{
    (void)state;
    char data[64];
    struct text_buffer text;
    const char *volatile formats[] = {"%f|%5d|%", "%-s", "%.3s", "%ls"};
    text_init(&text, data, sizeof data);
    for (unsigned i = 0; i < sizeof formats / sizeof *formats; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
        text_format(&text, formats[i]);
#pragma GCC diagnostic pop
        check_format(formats[i], &text);
    }
}

static void test_format_is_cut(void **state)
{
    (void)state;
    char data[8];
    struct text_buffer text;
    text_init(&text, data, sizeof data);
    text_format(&text, "%s%d", "abcdef", 12345);
    assert_string_equal(data, "abcdef1");
    assert_true(text.truncated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),        cmocka_unit_test(test_format_that_is_none),
        cmocka_unit_test(test_format_is_cut), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_milliseconds),  cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
