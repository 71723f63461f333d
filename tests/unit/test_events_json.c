// SPDX-License-Identifier: MIT
/* Each event as JSON: one line, valid, with the contract's fields, however long its names are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "event_case.h"

static void test_blocked(void **state)
{
    static const char *const fields[] = {"call",  "syscall",    "class",        "fd",   "object",
                                         "bytes", "blocked_ms", "threshold_ms", "loop", "pipe"};
    (void)state;
    event_json(event_blocked(true));
    json_t *object = event_parsed("blocked");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        event_has(object, fields[i]);
    assert_null(json_object_get(object, "stack")); /* it has no frames */
    json_t *pipe = json_object_get(object, "pipe");
    assert_int_equal(json_integer_value(json_object_get(pipe, "used")), 65536);
    assert_true(json_is_true(json_object_get(pipe, "full")));
    json_decref(object);
}

/* What is not certain is left out, and a frame that cannot be read is one that cannot be read. */
static void test_javascript(void **state)
{
    static const struct javascript_frame javascript[] = {
        {.readable = true, .tier = JAVASCRIPT_BUILTIN, .function = "map"},
        {.readable = true,
         .tier = JAVASCRIPT_TURBOFAN,
         .inlined = true,
         .file = "/srv/app.js",
         .line = 7,
         .column = 3},
        {.readable = false},
        {.readable = true, .function = "drive", .file = "file:///srv/m.mjs", .function_line = 4},
    };
    (void)state;
    event_case.incident.javascript = javascript;
    event_case.incident.javascript_count = 4;
    event_json(event_blocked(true));
    json_t *object = event_parsed("blocked"), *frame = json_object_get(object, "javascript");
    assert_int_equal(json_array_size(frame), 4);
    assert_null(json_object_get(json_array_get(frame, 0), "file"));
    assert_null(json_object_get(json_array_get(frame, 0), "line"));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(frame, 1), "column")), 3);
    assert_true(json_is_true(json_object_get(json_array_get(frame, 1), "inlined")));
    assert_true(json_is_true(json_object_get(json_array_get(frame, 2), "unreadable")));
    assert_int_equal(json_object_size(json_array_get(frame, 2)), 1);
    assert_null(json_object_get(json_array_get(frame, 3), "line"));
    json_decref(object);
    text_init(&event_case.text, event_case.data, sizeof event_case.data);
    event_words(event_blocked(true));
    assert_non_null(strstr(event_case.data,
                           "    map  (builtin)\n    <anonymous>  /srv/app.js:7:3\n"
                           "    (a frame that could not be read)\n"
                           "    drive  file:///srv/m.mjs, in the function of line 4\n"));
}

/* Names as long as they can be, of bytes that six characters stand for. */
static void test_deepest_stack_with_longest_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STACK_DEPTH_LIMIT; i++) {
        event_case.frames[i].pc = UINT64_MAX;
        event_case.frames[i].offset = UINT64_MAX;
        event_case.frames[i].symbol_offset = INT64_MAX; /* jansson knows no larger integers */
        event_case.frames[i].build_id_size = BUILD_ID_LIMIT;
        memset(event_case.frames[i].module, 1, sizeof event_case.frames[i].module - 1);
        memset(event_case.frames[i].symbol, 0xff, sizeof event_case.frames[i].symbol - 1);
    }
    event_case.incident.frame_count = STACK_DEPTH_LIMIT;
    /* Wherever the end of the buffer falls within a frame. */
    static char executable[3000];
    event_case.head.executable = executable;
    for (unsigned length = 0; length < sizeof executable - 1; length += 50) {
        memset(executable, 'e', length);
        text_init(&event_case.text, event_case.data, sizeof event_case.data);
        event_json(event_blocked(true));
        json_t *object = event_parsed("blocked");
        assert_true(json_array_size(json_object_get(object, "stack")) > 10);
        assert_true(json_is_true(json_object_get(object, "stack_truncated")));
        json_decref(object);
    }
    event_case.head.executable = "/opt/engine";
    memset(event_case.frames, 0, sizeof event_case.frames);
}

/* The same of JavaScript frames: those that do not fit are counted, the C stack keeps its share. */
static void test_deepest_javascript_with_longest_names(void **state)
{
    (void)state;
    event_case.incident.frame_count = STACK_DEPTH_LIMIT;
    static struct javascript_frame javascript[STACK_DEPTH_LIMIT];
    for (unsigned i = 0; i < STACK_DEPTH_LIMIT; i++) {
        javascript[i] = (struct javascript_frame){.readable = true, .line = 1, .column = 1};
        memset(javascript[i].file, 1, sizeof javascript[i].file - 1);
        memset(javascript[i].function, 1, sizeof javascript[i].function - 1);
    }
    event_case.incident.javascript = javascript;
    event_case.incident.javascript_count = STACK_DEPTH_LIMIT;
    event_json(event_blocked(true));
    json_t *object = event_parsed("blocked");
    size_t shown = json_array_size(json_object_get(object, "javascript"));
    assert_int_equal(shown +
                         (size_t)json_integer_value(json_object_get(object, "javascript_omitted")),
                     STACK_DEPTH_LIMIT);
    assert_true(shown > 3);
    assert_int_equal(json_array_size(json_object_get(object, "stack")), STACK_DEPTH_LIMIT);
    json_decref(object);
}

static void test_start_warning_unblocked_summary(void **state)
{
    (void)state;
    settings_read(&event_case.settings, NULL, &(struct program_names){.executable = "engine"},
                  false, NULL, NULL);
    struct event_start start = {.argv0 = "./engine",
                                .script = "server.py",
                                .host = "alpha",
                                .settings = &event_case.settings,
                                .cpu_stacks = "perf_event"};
    event_json((struct event){.kind = EVENT_START, .start = &start});
    json_t *object = event_parsed("start");
    event_has(object, "version");
    event_has(object, "argv0");
    assert_string_equal(json_string_value(json_object_get(object, "script")), "server.py");
    assert_string_equal(json_string_value(json_object_get(object, "host")), "alpha");
    event_has(object, "config");
    event_has(object, "features");
    json_decref(object);
    event_set_up(state);
    start.script = NULL; /* no interpreter */
    event_json((struct event){.kind = EVENT_START, .start = &start});
    object = event_parsed("start");
    assert_null(json_object_get(object, "script"));
    json_decref(object);
    event_set_up(state);
    event_json((struct event){.kind = EVENT_UNBLOCKED, .end = {.ref = 3, .blocked_ns = 5000000}});
    object = event_parsed("unblocked");
    assert_int_equal(json_integer_value(json_object_get(object, "ref")), 3);
    event_has(object, "blocked_ms");
    event_has(object, "result");
    json_decref(object);
    event_set_up(state);
    event_json((struct event){.kind = EVENT_WARNING, .message = "a\nb"});
    json_decref(event_parsed("warning"));
    event_set_up(state);
    summary_begin(&event_case.summary);
    summary_returned(&event_case.summary,
                     summary_blocked(&event_case.summary, &event_case.incident), 5000000);
    event_json((struct event){.kind = EVENT_SUMMARY, .summary = &event_case.summary});
    object = event_parsed("summary");
    json_t *site = json_array_get(json_object_get(object, "sites"), 0);
    event_has(site, "count");
    event_has(site, "total_ms");
    event_has(site, "max_ms");
    event_has(site, "p50_ms");
    event_has(site, "p99_ms");
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_blocked, event_set_up),
        cmocka_unit_test_setup(test_javascript, event_set_up),
        cmocka_unit_test_setup(test_deepest_javascript_with_longest_names, event_set_up),
        cmocka_unit_test_setup(test_deepest_stack_with_longest_names, event_set_up),
        cmocka_unit_test_setup(test_start_warning_unblocked_summary, event_set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
