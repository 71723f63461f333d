// SPDX-License-Identifier: MIT
/* The rules of PIPESHIM_SUPPRESS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "report/suppress.h"

static unsigned complaints;
static char complaint[1024];

static void complain(const char *line, void *context)
{
    (void)context;
    complaints++;
    snprintf(complaint, sizeof complaint, "%s", line);
}

static bool held_back(const char *rules)
{
    static const struct stack_frame_name frames[] = {
        {.module = "/lib/x86_64-linux-gnu/libc.so.6", .symbol = "write"},
        {.module = "/opt/app/liblog.so.1", .symbol = "log_line"},
        {.module = "/opt/app/engine", .symbol = "main"},
    };
    static const struct javascript_frame javascript[] = {
        {.readable = true, .function = "writeSync", .file = "node:fs"},
        {.readable = true, .function = "handle", .file = "/srv/app.js"},
    };
    static const struct incident incident = {.call = "fprintf",
                                             .frames = frames,
                                             .frame_count = 3,
                                             .javascript = javascript,
                                             .javascript_count = 2};
    complaints = 0;
    suppress_parse(rules, (unsigned)strlen(rules), complain, NULL);
    return suppress_match(&incident, "pipe_write");
}

static void test_rules(void **state)
{
    static const struct {
        const char *rules;
        bool fits;
    } cases[] = {
        {"function:log_line", true},
        {"function:log_*", true},
        {"function:line", false},
        {"module:liblog.so*", true},
        {"module:/opt/*/engine", true},
        {"module:log", false},
        {"call:fprintf", true},
        {"call:write", false},
        {"class:pipe_write", true},
        {"class:pipe_read", false},
        {"python:*", false},
        {"javascript:handle", true},
        {"javascript:/srv/*", true},
        {"javascript:node:fs", true},
        {"javascript:hand", false},
        {"function:handle", false},
        {"", false},
        {"# function:*\n\n", false},
        {"  call:fprintf \t\r\n", true},
        {"call:read\ncall:fprintf", true},
        {"call:fprintf # why", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (held_back(cases[i].rules) != cases[i].fits)
            fail_msg("%s", cases[i].rules);
        assert_int_equal(complaints, 0);
    }
}

static void test_what_is_no_rule(void **state)
{
    (void)state;
    assert_true(held_back("functoin:x\ncall:fprintf\ncall:\n"));
    assert_int_equal(complaints, 2);
    held_back("functoin:x");
    assert_non_null(strstr(complaint, "functoin:x"));
}

static void test_too_many(void **state)
{
    static char rules[257 * 7 + 1];
    (void)state;
    for (unsigned i = 0; i < 257; i++)
        memcpy(rules + (size_t)i * 7, "call:x\n", 7);
    held_back(rules);
    assert_int_equal(complaints, 1);
}

static void test_no_file(void **state)
{
    (void)state;
    complaints = 0;
    suppress_load("/nonexistent/rules", complain, NULL);
    assert_int_equal(complaints, 1);
    assert_non_null(strstr(complaint, "PIPESHIM_SUPPRESS=/nonexistent/rules"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_what_is_no_rule),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
