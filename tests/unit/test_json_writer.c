// SPDX-License-Identifier: MIT
/* Whatever bytes a name has, the JSON is one valid line; jansson is the judge (it refuses invalid
 * UTF-8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
/* jansson has a function of this name, too. */
#include <jansson.h>

#include "report/json_writer.h"

static char data[4096];

static json_t *written(const char *key, const char *value)
{
    struct text_buffer text;
    struct json_writer json;
    json_error_t error;
    text_init(&text, data, sizeof data);
    json_begin(&json, &text);
    json_open(&json, NULL, '{');
    json_put_string(&json, key, value);
    json_close(&json, '}');
    assert_null(strchr(data, '\n'));
    json_t *object = json_loadb(data, text.length, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        fail_msg("%s in: %s", error.text, data);
    return object;
}

static void check(const char *value, const char *expected)
{
    json_t *object = written("k", value);
    assert_string_equal(json_string_value(json_object_get(object, "k")), expected);
    json_decref(object);
}

static void test_strings(void **state)
{
    (void)state;
    check("", "");
    check("a\"b\\c/\n\t\x01\x7f", "a\"b\\c/\n\t\x01\x7f");
    check("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
          "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    check("\xff", "\xef\xbf\xbd");
    check("a\xc3", "a\xef\xbf\xbd");                               /* cut */
    check("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong */
    check("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* surrogate */
    check("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void test_random_bytes(void **state)
{
    (void)state;
    srandom(11);
    for (int round = 0; round < 100000; round++) {
        char value[32] = "";
        long size = random() % (long)(sizeof value - 1);
        for (long i = 0; i < size; i++)
            value[i] = (char)(random() % 2 ? 0x80 + random() % 128 : 1 + random() % 127);
        json_decref(written("k", value));
    }
}

static void test_structure(void **state)
{
    struct text_buffer text;
    struct json_writer json;
    (void)state;
    text_init(&text, data, sizeof data);
    json_begin(&json, &text);
    json_open(&json, NULL, '{');
    json_open(&json, "a", '[');
    json_close(&json, ']');
    json_open(&json, "o", '[');
    json_put_unsigned(&json, NULL, 18446744073709551615U);
    json_put_signed(&json, NULL, -5);
    json_open(&json, NULL, '{');
    json_put_bool(&json, "t", true);
    json_close(&json, '}');
    json_close(&json, ']');
    json_put_hex(&json, "h", 255);
    json_put_milliseconds(&json, "m", 1002003);
    json_close(&json, '}');
    assert_string_equal(data, "{\"a\":[],\"o\":[18446744073709551615,-5,{\"t\":true}],"
                              "\"h\":\"0xff\",\"m\":1.002}");
    assert_int_equal(json_space(&json), sizeof data - 1 - strlen(data));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_structure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
