// SPDX-License-Identifier: MIT
/* The environment: defaults, accepted forms, and one clear line for each value that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/parse.h"
#include "settings_case.h"

static void test_defaults(void **state)
{
    static const struct {
        enum setting_id id;
        const char *name, *text;
        uint64_t number;
    } expected[] = {
        {SETTING_ENABLED, "PIPESHIM", "on", 1},
        {SETTING_THRESHOLD, "PIPESHIM_THRESHOLD", "100ms", 100 * MS},
        {SETTING_PIPE_THRESHOLD, "PIPESHIM_PIPE_THRESHOLD", "", 0},
        {SETTING_LOOP_THRESHOLD, "PIPESHIM_LOOP_THRESHOLD", "", 0},
        {SETTING_WAIT_THRESHOLD, "PIPESHIM_WAIT_THRESHOLD", "", 0},
        {SETTING_NET_THRESHOLD, "PIPESHIM_NET_THRESHOLD", "", 0},
        {SETTING_LOG, "PIPESHIM_LOG", "stderr", 0},
        {SETTING_FORMAT, "PIPESHIM_FORMAT", "text", FORMAT_TEXT},
        {SETTING_LOOP, "PIPESHIM_LOOP", "auto", 0},
        {SETTING_STACK, "PIPESHIM_STACK", "on", 1},
        {SETTING_STACK_DEPTH, "PIPESHIM_STACK_DEPTH", "64", 64},
        {SETTING_PYTHON, "PIPESHIM_PYTHON", "on", 1},
        {SETTING_ONLY, "PIPESHIM_ONLY", "", 0},
        {SETTING_SKIP, "PIPESHIM_SKIP", "", 0},
        {SETTING_SUPPRESS, "PIPESHIM_SUPPRESS", "", 0},
        {SETTING_RATE, "PIPESHIM_RATE", "10/s", 600},
        {SETTING_REPEAT, "PIPESHIM_REPEAT", "60s", 60 * S},
        {SETTING_DRAIN, "PIPESHIM_DRAIN", "off", 0},
        {SETTING_DRAIN_MODE, "PIPESHIM_DRAIN_MODE", "full", 0},
        {SETTING_DRAIN_MAX, "PIPESHIM_DRAIN_MAX", "64M", 64 << 20},
        {SETTING_DRAIN_OVERFLOW, "PIPESHIM_DRAIN_OVERFLOW", "block", 0},
        {SETTING_DRAIN_EXIT, "PIPESHIM_DRAIN_EXIT", "5s", 5 * S},
        {SETTING_GROW, "PIPESHIM_GROW", "off", 0},
        {SETTING_FILL_WARN, "PIPESHIM_FILL_WARN", "75%", 75},
        {SETTING_ACTION, "PIPESHIM_ACTION", "log", 0},
        {SETTING_ACTION_AFTER, "PIPESHIM_ACTION_AFTER", "30s", 30 * S},
        {SETTING_METRICS, "PIPESHIM_METRICS", "", 0},
        {SETTING_METRICS_EVERY, "PIPESHIM_METRICS_EVERY", "15s", 15 * S},
        {SETTING_SUMMARY, "PIPESHIM_SUMMARY", "on", 1},
    };
    (void)state;
    settings_case_read_one("HOME=/root");
    assert_int_equal(settings_case.complaints, 0);
    assert_true(settings_are_active(&settings_case.settings));
    assert_int_equal(settings_case.settings.loop, LOOP_AUTO);
    assert_int_equal(settings_stack_depth(&settings_case.settings), 64);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_string_equal(setting_name(expected[i].id), expected[i].name);
        assert_string_equal(settings_case.settings.text[expected[i].id], expected[i].text);
        assert_true(settings_case.settings.number[expected[i].id] == expected[i].number);
        assert_false(settings_case.settings.given[expected[i].id]);
    }
}

static void test_accepted_forms(void **state)
{
    static const struct {
        const char *variable;
        enum setting_id id;
        uint64_t number;
    } forms[] = {
        {"PIPESHIM=off", SETTING_ENABLED, 0},
        {"PIPESHIM=on", SETTING_ENABLED, 1},
        {"PIPESHIM_THRESHOLD=250us", SETTING_THRESHOLD, 250000},
        {"PIPESHIM_THRESHOLD=50", SETTING_THRESHOLD, 50 * MS},
        {"PIPESHIM_THRESHOLD=1.5s", SETTING_THRESHOLD, 1500 * MS},
        {"PIPESHIM_PIPE_THRESHOLD=2s", SETTING_PIPE_THRESHOLD, 2 * S},
        {"PIPESHIM_LOOP_THRESHOLD=20ms", SETTING_LOOP_THRESHOLD, 20 * MS},
        {"PIPESHIM_WAIT_THRESHOLD=1ms", SETTING_WAIT_THRESHOLD, MS},
        {"PIPESHIM_NET_THRESHOLD=3ms", SETTING_NET_THRESHOLD, 3 * MS},
        {"PIPESHIM_LOG=fd:7", SETTING_LOG, 0},
        {"PIPESHIM_LOG=syslog", SETTING_LOG, 0},
        {"PIPESHIM_LOG=/tmp/%p.log", SETTING_LOG, 0},
        {"PIPESHIM_FORMAT=json", SETTING_FORMAT, FORMAT_JSON},
        {"PIPESHIM_LOOP=io,loop-1", SETTING_LOOP, 0},
        {"PIPESHIM_STACK=off", SETTING_STACK, 0},
        {"PIPESHIM_STACK_DEPTH=256", SETTING_STACK_DEPTH, 256},
        {"PIPESHIM_PYTHON=off", SETTING_PYTHON, 0},
        {"PIPESHIM_STDIO=off", SETTING_STDIO, 0},
        {"PIPESHIM_SUPPRESS=/tmp/rules", SETTING_SUPPRESS, 0},
        {"PIPESHIM_RATE=30/min", SETTING_RATE, 30},
        {"PIPESHIM_RATE=5", SETTING_RATE, 300},
        {"PIPESHIM_REPEAT=0", SETTING_REPEAT, 0},
        {"PIPESHIM_DRAIN=2,7", SETTING_DRAIN, 0},
        {"PIPESHIM_DRAIN=stdio", SETTING_DRAIN, 0},
        {"PIPESHIM_DRAIN_MODE=behind", SETTING_DRAIN_MODE, 1},
        {"PIPESHIM_DRAIN_MAX=512K", SETTING_DRAIN_MAX, 512 << 10},
        {"PIPESHIM_DRAIN_MAX=1G", SETTING_DRAIN_MAX, 1 << 30},
        {"PIPESHIM_DRAIN_MAX=65536", SETTING_DRAIN_MAX, 65536},
        {"PIPESHIM_DRAIN_OVERFLOW=drop-new", SETTING_DRAIN_OVERFLOW, 1},
        {"PIPESHIM_DRAIN_OVERFLOW=drop-old", SETTING_DRAIN_OVERFLOW, 2},
        {"PIPESHIM_DRAIN_EXIT=wait", SETTING_DRAIN_EXIT, MAX_DURATION},
        {"PIPESHIM_DRAIN_EXIT=0", SETTING_DRAIN_EXIT, 0},
        {"PIPESHIM_GROW=1M", SETTING_GROW, 1 << 20},
        {"PIPESHIM_FILL_WARN=100%", SETTING_FILL_WARN, 100},
        {"PIPESHIM_FILL_WARN=9", SETTING_FILL_WARN, 9},
        {"PIPESHIM_ACTION=term", SETTING_ACTION, 2},
        {"PIPESHIM_ACTION=exec:cat", SETTING_ACTION, ACTION_EXEC},
        {"PIPESHIM_ACTION=stop", SETTING_ACTION, ACTION_STOP},
        {"PIPESHIM_ACTION_ON=blocked,eof_never", SETTING_ACTION_ON, 0},
        {"PIPESHIM_ACTION_AFTER=1s", SETTING_ACTION_AFTER, S},
        {"PIPESHIM_METRICS=/tmp/m", SETTING_METRICS, 0},
        {"PIPESHIM_METRICS_EVERY=1s", SETTING_METRICS_EVERY, S},
        {"PIPESHIM_SUMMARY=off", SETTING_SUMMARY, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        settings_case_read_one(forms[i].variable);
        if (settings_case.complaints)
            print_error("%s\n", settings_case.complaint);
        assert_int_equal(settings_case.complaints, 0);
        assert_true(settings_case.settings.number[forms[i].id] == forms[i].number);
        assert_string_equal(settings_case.settings.text[forms[i].id],
                            strchr(forms[i].variable, '=') + 1);
    }
}

static void test_malformed_values(void **state)
{
    static const struct {
        const char *name, *value, *accepted;
        enum setting_id id;
    } bad[] = {
        {"PIPESHIM", "yes", "off or on", SETTING_ENABLED},
        {"PIPESHIM", "", "off or on", SETTING_ENABLED},
        {"PIPESHIM", "ON", "off or on", SETTING_ENABLED},
        {"PIPESHIM_THRESHOLD", "fast", "duration", SETTING_THRESHOLD},
        {"PIPESHIM_THRESHOLD", "", "duration", SETTING_THRESHOLD},
        {"PIPESHIM_THRESHOLD", "-5ms", "duration", SETTING_THRESHOLD},
        {"PIPESHIM_THRESHOLD", "5 ms", "duration", SETTING_THRESHOLD},
        {"PIPESHIM_THRESHOLD", "5h", "duration", SETTING_THRESHOLD},
        {"PIPESHIM_THRESHOLD", "0", "duration", SETTING_THRESHOLD},
        {"PIPESHIM_THRESHOLD", "5.ms", "duration", SETTING_THRESHOLD},
        {"PIPESHIM_THRESHOLD", ".5s", "duration", SETTING_THRESHOLD},
        {"PIPESHIM_THRESHOLD", "99999999999999999999999s", "duration", SETTING_THRESHOLD},
        {"PIPESHIM_THRESHOLD", "18446744073709551615s", "duration", SETTING_THRESHOLD},
        {"PIPESHIM_PIPE_THRESHOLD", "ms", "duration", SETTING_PIPE_THRESHOLD},
        {"PIPESHIM_LOOP_THRESHOLD", "1e3", "duration", SETTING_LOOP_THRESHOLD},
        {"PIPESHIM_WAIT_THRESHOLD", "0x10", "duration", SETTING_WAIT_THRESHOLD},
        {"PIPESHIM_NET_THRESHOLD", "1 s", "duration", SETTING_NET_THRESHOLD},
        {"PIPESHIM_LOG", "fd:", "fd:N", SETTING_LOG},
        {"PIPESHIM_LOG", "fd:x", "fd:N", SETTING_LOG},
        {"PIPESHIM_LOG", "fd:99999999999", "fd:N", SETTING_LOG},
        {"PIPESHIM_LOG", "", "stderr", SETTING_LOG},
        {"PIPESHIM_FORMAT", "xml", "text or json", SETTING_FORMAT},
        {"PIPESHIM_FORMAT", "text|json", "text or json", SETTING_FORMAT},
        {"PIPESHIM_LOOP", ",", "thread names", SETTING_LOOP},
        {"PIPESHIM_STACK", "1", "off or on", SETTING_STACK},
        {"PIPESHIM_STACK_DEPTH", "0", "1 to 256", SETTING_STACK_DEPTH},
        {"PIPESHIM_STACK_DEPTH", "257", "1 to 256", SETTING_STACK_DEPTH},
        {"PIPESHIM_STACK_DEPTH", "64 ", "1 to 256", SETTING_STACK_DEPTH},
        {"PIPESHIM_PYTHON", "true", "off or on", SETTING_PYTHON},
        {"PIPESHIM_RATE", "0", "reports a second", SETTING_RATE},
        {"PIPESHIM_RATE", "10/h", "reports a second", SETTING_RATE},
        {"PIPESHIM_RATE", "/s", "reports a second", SETTING_RATE},
        {"PIPESHIM_REPEAT", "8d", "duration", SETTING_REPEAT},
        {"PIPESHIM_DRAIN", "stdin", "stderr", SETTING_DRAIN},
        {"PIPESHIM_DRAIN", "2,", "fd numbers", SETTING_DRAIN},
        {"PIPESHIM_DRAIN", "2;7", "fd numbers", SETTING_DRAIN},
        {"PIPESHIM_DRAIN_MODE", "fast", "full or behind", SETTING_DRAIN_MODE},
        {"PIPESHIM_DRAIN_MAX", "64MB", "size", SETTING_DRAIN_MAX},
        {"PIPESHIM_DRAIN_MAX", "1", "size", SETTING_DRAIN_MAX},
        {"PIPESHIM_DRAIN_MAX", "99999999999G", "size", SETTING_DRAIN_MAX},
        {"PIPESHIM_DRAIN_OVERFLOW", "drop", "block or drop-new or drop-old",
         SETTING_DRAIN_OVERFLOW},
        {"PIPESHIM_DRAIN_EXIT", "never", "wait, 0", SETTING_DRAIN_EXIT},
        {"PIPESHIM_GROW", "on", "off or a size", SETTING_GROW},
        {"PIPESHIM_FILL_WARN", "101%", "percentage", SETTING_FILL_WARN},
        {"PIPESHIM_FILL_WARN", "0", "percentage", SETTING_FILL_WARN},
        {"PIPESHIM_ACTION", "kill", "exec:COMMAND", SETTING_ACTION},
        {"PIPESHIM_ACTION", "exec:", "exec:COMMAND", SETTING_ACTION},
        {"PIPESHIM_ACTION_AFTER", "later", "duration", SETTING_ACTION_AFTER},
        {"PIPESHIM_METRICS_EVERY", "1us", "duration", SETTING_METRICS_EVERY},
        {"PIPESHIM_SUMMARY", "maybe", "off or on", SETTING_SUMMARY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static struct settings defaults;
        char variable[160];
        char given[256];
        settings_read(&defaults, NULL, &(struct program_names){.executable = "engine"}, false,
                      settings_case_complain, NULL);
        snprintf(variable, sizeof variable, "%s=%s", bad[i].name, bad[i].value);
        snprintf(given, sizeof given, "%s: not accepted", variable);
        settings_case_read_one(variable);
        if (settings_case.complaints != 1 || !strstr(settings_case.complaint, given) ||
            !strstr(settings_case.complaint, bad[i].accepted))
            fail_msg("%s: %u complaints, the last: %s", variable, settings_case.complaints,
                     settings_case.complaint);
        assert_non_null(strstr(settings_case.complaint, "default"));
        assert_null(strchr(settings_case.complaint, '\n'));
        assert_true(settings_case.settings.number[bad[i].id] == defaults.number[bad[i].id]);
        assert_string_equal(settings_case.settings.text[bad[i].id], defaults.text[bad[i].id]);
        assert_false(settings_case.settings.given[bad[i].id]);
        assert_true(settings_are_active(&settings_case.settings));
    }
}

static void test_control_characters_stay_on_one_line(void **state)
{
    (void)state;
    settings_case_read_one("PIPESHIM_FORMAT=a\nb\x1b[31m");
    assert_int_equal(settings_case.complaints, 1);
    for (const char *p = settings_case.complaint; *p; p++)
        assert_true((unsigned char)*p >= 0x20);
}

static void test_unknown_names(void **state)
{
    (void)state;
    settings_case_read_one("PIPESHIM_THRESHOLDS=1");
    assert_int_equal(settings_case.complaints, 1);
    assert_non_null(strstr(settings_case.complaint, "PIPESHIM_THRESHOLDS"));
    settings_case_read_one("PIPESHIM_=1");
    assert_int_equal(settings_case.complaints, 1);
    settings_case_read_one("PIPESHIMMER=1");
    assert_int_equal(settings_case.complaints, 0);
    settings_case_read_one("pipeshim_log=x");
    assert_int_equal(settings_case.complaints, 0);
}

static void test_secure_reads_nothing(void **state)
{
    char *variables[] = {"PIPESHIM_LOG=/etc/shadow", "PIPESHIM_X=1", "PIPESHIM_FORMAT=xml",
                         "PIPESHIM_STACK_DEPTH=3", NULL};
    (void)state;
    settings_case_read(variables, true);
    assert_int_equal(settings_case.complaints, 0);
    assert_string_equal(settings_case.settings.text[SETTING_LOG], "stderr");
    assert_true(settings_case.settings.number[SETTING_STACK_DEPTH] == 64);
    assert_false(settings_are_active(&settings_case.settings));
}

/* The program may change its environment: what was read stays. Too long: refused, as a value. */
static void test_texts_are_kept(void **state)
{
    static char variable[] = "PIPESHIM_LOG=/tmp/a";
    static char big[SETTINGS_TEXT_LIMIT + 64] = "PIPESHIM_LOG=/";
    (void)state;
    settings_case_read_one(variable);
    variable[sizeof variable - 2] = 'b';
    assert_string_equal(settings_case.settings.text[SETTING_LOG], "/tmp/a");
    memset(big + 14, 'x', sizeof big - 15);
    settings_case_read_one(big);
    assert_int_equal(settings_case.complaints, 1);
    assert_string_equal(settings_case.settings.text[SETTING_LOG], "stderr");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_accepted_forms),
        cmocka_unit_test(test_malformed_values),
        cmocka_unit_test(test_control_characters_stay_on_one_line),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_secure_reads_nothing),
        cmocka_unit_test(test_texts_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
