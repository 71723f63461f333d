// SPDX-License-Identifier: MIT
/* What the settings say to who asks: in which programs, of which thread and class; and presets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "settings_case.h"

static void test_only_and_skip(void **state)
{
    static const struct {
        const char *variable;
        bool active;
    } cases[] = {
        {"PIPESHIM_ONLY=engine", true},    {"PIPESHIM_ONLY=eng*", true},
        {"PIPESHIM_ONLY=sh,engin?", true}, {"PIPESHIM_ONLY=sh,bash", false},
        {"PIPESHIM_ONLY=", true},          {"PIPESHIM_SKIP=engine", false},
        {"PIPESHIM_SKIP=sh,e*", false},    {"PIPESHIM_SKIP=sh", true},
        {"PIPESHIM=off", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        settings_case_read_one(cases[i].variable);
        assert_int_equal(settings_are_active(&settings_case.settings), cases[i].active);
    }
    char *both[] = {"PIPESHIM_ONLY=eng*", "PIPESHIM_SKIP=*ine", NULL};
    settings_case_read(both, false);
    assert_false(settings_are_active(&settings_case.settings));
}

static void test_thresholds_by_class(void **state)
{
    char *all[] = {"PIPESHIM_THRESHOLD=1ms",      "PIPESHIM_PIPE_THRESHOLD=2ms",
                   "PIPESHIM_LOOP_THRESHOLD=3ms", "PIPESHIM_WAIT_THRESHOLD=4ms",
                   "PIPESHIM_NET_THRESHOLD=5ms",  NULL};
    (void)state;
    settings_case_read(all, false);
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_PIPE_WRITE) == 2 * MS);
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_PIPE_READ) == 2 * MS);
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_CPU) == 3 * MS);
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_CHILD) == 4 * MS);
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_SOCKET_READ) == 5 * MS);
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_DNS) == 5 * MS);
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_FILE) == MS);
    settings_case_read_one("PIPESHIM_THRESHOLD=7ms");
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_PIPE_WRITE) == 7 * MS);
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_CHILD) == 7 * MS);
}

static void test_loop_and_depth(void **state)
{
    (void)state;
    settings_case_read_one("PIPESHIM_LOOP=none");
    assert_int_equal(settings_case.settings.loop, LOOP_NONE);
    settings_case_read_one("PIPESHIM_LOOP=io,loop-*");
    assert_int_equal(settings_case.settings.loop, LOOP_NAMES);
    assert_true(settings_is_loop_name(&settings_case.settings, "loop-3"));
    assert_false(settings_is_loop_name(&settings_case.settings, "worker"));
    settings_case_read_one("PIPESHIM_STACK=off");
    assert_int_equal(settings_stack_depth(&settings_case.settings), 0);
}

/* A preset is other defaults: what is set wins, before or behind it; `given` tells what differs. */
static void test_presets(void **state)
{
    char *variables[] = {"PIPESHIM_RATE=7/s", "PIPESHIM_PRESET=canary", "PIPESHIM_FORMAT=text",
                         NULL};
    (void)state;
    settings_case_read(variables, false);
    assert_int_equal(settings_case.complaints, 0);
    assert_string_equal(settings_case.settings.text[SETTING_PRESET], "canary");
    assert_true(settings_case.settings.given[SETTING_PRESET]);
    assert_true(settings_case.settings.number[SETTING_THRESHOLD] == S &&
                settings_case.settings.given[SETTING_THRESHOLD]);
    assert_int_equal(settings_stack_depth(&settings_case.settings), 16);
    assert_true(settings_case.settings.number[SETTING_RATE] == 420 &&
                settings_case.settings.given[SETTING_RATE]);
    assert_true(settings_case.settings.number[SETTING_FORMAT] == FORMAT_TEXT);
    assert_false(settings_case.settings.given[SETTING_FORMAT]);
    settings_case_read_one("PIPESHIM_PRESET=ci");
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_CHILD) == 5 * S);
    assert_true(settings_threshold_ns(&settings_case.settings, CLASS_PIPE_WRITE) == 250 * MS);
    assert_string_equal(settings_case.settings.text[SETTING_LOG], "pipeshim-%e-%p.jsonl");
    assert_true(settings_case.settings.number[SETTING_FORMAT] == FORMAT_JSON);
    settings_case_read_one("PIPESHIM_PRESET=dev");
    assert_true(settings_case.settings.number[SETTING_THRESHOLD] == 100 * MS);
    assert_false(settings_case.settings.given[SETTING_THRESHOLD]);
    settings_case_read_one("PIPESHIM_PRESET=prod");
    assert_int_equal(settings_case.complaints, 1);
    assert_string_equal(settings_case.complaint,
                        "PIPESHIM_PRESET=prod: not accepted; expected dev or ci or "
                        "canary; using the default");
    assert_false(settings_case.settings.given[SETTING_PRESET]);
    settings_case_read((char *[]){"PIPESHIM_THRESHOLD=soon", "PIPESHIM_PRESET=canary", NULL},
                       false);
    assert_non_null(strstr(settings_case.complaint, "; using the default 1s"));
}

/* redis-server is a link to redis-check-rdb on Debian; a server in Python is python3. */
static void other_names(void **state)
{
    (void)state;
    static const struct program_names names = {"python3.11", "worker", "server.py"};
    static const struct {
        const char *variable;
        bool active;
    } cases[] = {
        {"PIPESHIM_ONLY=python3*", true},  {"PIPESHIM_ONLY=worker", true},
        {"PIPESHIM_ONLY=server.py", true}, {"PIPESHIM_ONLY=engine", false},
        {"PIPESHIM_SKIP=worker", false},   {"PIPESHIM_SKIP=*.py", false},
        {"PIPESHIM_SKIP=engine", true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *variables[] = {(char *)cases[i].variable, NULL};
        settings_read(&settings_case.settings, variables, &names, false, settings_case_complain,
                      NULL);
        assert_int_equal(settings_are_active(&settings_case.settings), cases[i].active);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_and_skip),  cmocka_unit_test(test_thresholds_by_class),
        cmocka_unit_test(test_loop_and_depth), cmocka_unit_test(test_presets),
        cmocka_unit_test(other_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
