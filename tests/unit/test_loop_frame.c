// SPDX-License-Identifier: MIT
// Whether a stack shows that an event loop has called something, or that it rests.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The tool's code is in no library. */
#include "../../shim/cli/diagnose/loop_frame.c" // NOLINT(bugprone-suspicious-include)

#define LIB "/usr/lib/python3.11"

/* Innermost first; ends at a NULL file. */
static bool called(const char *const frames[][2])
{
    static struct python_frame all[8];
    unsigned count = 0;
    memset(all, 0, sizeof all);
    for (; frames[count][0]; count++) {
        snprintf(all[count].file, sizeof all[count].file, "%s", frames[count][0]);
        snprintf(all[count].function, sizeof all[count].function, "%s", frames[count][1]);
    }
    return loop_has_called_python(all, count);
}

static void test_asyncio(void **state)
{
    (void)state;
    static const char *const runs[][2] = {
        {"/app/x.py", "endpoint"},
        {LIB "/asyncio/events.py", "Handle._run"},
        {LIB "/asyncio/base_events.py", "BaseEventLoop._run_once"},
        {NULL, NULL}};
    static const char *const runs_3_8[][2] = {{"/app/x.py", "endpoint"},
                                              {LIB "/asyncio/events.py", "_run"},
                                              {LIB "/asyncio/base_events.py", "_run_once"},
                                              {NULL, NULL}};
    static const char *const rests[][2] = {
        {LIB "/selectors.py", "EpollSelector.select"},
        {LIB "/asyncio/base_events.py", "BaseEventLoop._run_once"},
        {NULL, NULL}};
    static const char *const at_the_selector[][2] = {{LIB "/asyncio/base_events.py", "_run_once"},
                                                     {NULL, NULL}};
    static const char *const others[][2] = {{"/app/x.py", "endpoint"},
                                            {LIB "/asyncio/events.py", "Handle._run"},
                                            {"/app/base_events.py", "not_run_once"},
                                            {LIB "/asyncio/base_events.py", "not_run_once"},
                                            {NULL, NULL}};
    assert_true(called(runs));
    assert_true(called(runs_3_8));
    assert_false(called(rests));
    assert_false(called(at_the_selector));
    assert_false(called(others));
    assert_false(loop_has_called_python(NULL, 0));
}

/* A loop in a callback of another one, which rests, is no loop that stands still. */
static void test_a_nested_loop_counts(void **state)
{
    (void)state;
    static const char *const nested[][2] = {{LIB "/selectors.py", "select"},
                                            {LIB "/asyncio/base_events.py", "_run_once"},
                                            {"/app/x.py", "endpoint"},
                                            {LIB "/asyncio/events.py", "_run"},
                                            {LIB "/asyncio/base_events.py", "_run_once"},
                                            {NULL, NULL}};
    assert_false(called(nested));
}

static void test_trio(void **state)
{
    (void)state;
    static const char *const runs[][2] = {
        {"/app/x.py", "endpoint"}, {"/venv/lib/trio/_core/_run.py", "unrolled_run"}, {NULL, NULL}};
    static const char *const rests[][2] = {{"/venv/lib/trio/_core/_io_epoll.py", "get_events"},
                                           {"/venv/lib/trio/_core/_run.py", "unrolled_run"},
                                           {NULL, NULL}};
    assert_true(called(runs));
    assert_false(called(rests));
}

static void test_native(void **state)
{
    (void)state;
    struct stack_frame_name frames[3];
    memset(frames, 0, sizeof frames);
    snprintf(frames[0].symbol, sizeof frames[0].symbol, "read");
    snprintf(frames[2].symbol, sizeof frames[2].symbol, "uv_run");
    assert_true(loop_has_called_native(frames, 3));
    snprintf(frames[2].symbol, sizeof frames[2].symbol, "uv_run_it");
    assert_false(loop_has_called_native(frames, 3));
    assert_false(loop_has_called_native(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asyncio),
        cmocka_unit_test(test_a_nested_loop_counts),
        cmocka_unit_test(test_trio),
        cmocka_unit_test(test_native),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
