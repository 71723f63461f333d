// SPDX-License-Identifier: MIT
/* PIPESHIM_STACK_FORMAT=compact: no event is longer than what a journal's record takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "event_case.h"
#include "report/event_json_compact.h"

static void begin_compact(void)
{
    text_init(&event_case.text, event_case.data, COMPACT_LIMIT + 1);
}

static json_t *compact_parsed(const char *event)
{
    assert_true(event_case.text.length <= COMPACT_LIMIT);
    json_t *object = event_parsed(event);
    begin_compact();
    return object;
}

static void test_compact_javascript(void **state)
{
    static const struct javascript_frame javascript[] = {
        {.readable = true, .file = "/a.js", .line = 7, .column = 3, .near = true},
        {.readable = true, .file = "/b.js", .line = 1, .function = "f", .generated = true},
        {.readable = true, .file = "/c.js", .line = 2, .column = 9, .function = "g"},
        {.readable = false}};
    static const char *const said[] = {"/a.js:7:3 (near) <anonymous>", "/b.js:1 (generated) f",
                                       "/c.js:2:9 g", ":0 (unreadable)"};
    (void)state;
    event_case.incident.javascript = javascript;
    event_case.incident.javascript_count = 4;
    event_compact_begin(true);
    begin_compact();
    event_json(event_blocked(true));
    json_t *object = compact_parsed("blocked"), *list = json_object_get(object, "javascript");
    event_compact_begin(false);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(json_string_value(json_array_get(list, i)), said[i]);
    json_decref(object);
}

#define LONGEST(name) memset(name, 1, sizeof(name) - 1)

/* The longest names there can be, of bytes that six characters stand for, in every event. */
static void test_compact_is_below_4_kib(void **state)
{
    static struct wait_finding finding = {.kind = FINDING_DEADLOCK, .count = CHAIN_LIMIT};
    static struct lag_facts lag = {.call_count = 1};
    static struct python_frame python[STACK_DEPTH_LIMIT];
    static char executable[4096], given[4096];
    struct pipe_facts *pipe = &event_case.incident.object.pipe;
    (void)state;
    LONGEST(executable);
    event_case.head.executable = executable;
    LONGEST(event_case.incident.call);
    LONGEST(event_case.incident.object.name);
    pipe->peers_known = true;
    pipe->peer_count = PEER_LIMIT;
    for (unsigned i = 0; i < PEER_LIMIT; i++) {
        pipe->peers[i] = (struct peer_facts){.pid = INT32_MAX, .fd = INT32_MAX, .state = 'S'};
        LONGEST(pipe->peers[i].comm);
        LONGEST(pipe->peers[i].waits_in);
    }
    event_case.incident.object.child = pipe->peers[0];
    for (unsigned i = 0; i < STACK_DEPTH_LIMIT; i++) {
        event_case.frames[i] = (struct stack_frame_name){.offset = UINT64_MAX, .build_id_size = 20};
        LONGEST(event_case.frames[i].module);
        event_case.frames[i].module[0] = (char)('A' + i % 26);
        LONGEST(event_case.frames[i].symbol);
        LONGEST(python[i].file);
        LONGEST(python[i].function);
    }
    event_case.incident.frame_count = event_case.incident.python_count = STACK_DEPTH_LIMIT;
    event_case.incident.python = python;
    LONGEST(finding.words);
    LONGEST(finding.advice);
    LONGEST(finding.rescue);
    for (unsigned i = 0; i < CHAIN_LIMIT; i++) {
        struct chain_link *link = &finding.chain[i];
        *link = (struct chain_link){.pid = INT32_MAX, .tid = INT32_MAX, .reason = REASON_SPACE};
        LONGEST(link->comm);
        LONGEST(link->name);
        LONGEST(link->object);
        LONGEST(link->waits_in);
    }
    event_compact_begin(true);
    begin_compact();
    event_json(event_blocked(true));
    json_decref(compact_parsed("blocked"));
    event_json((struct event){
        .kind = EVENT_LAG,
        .wait = {.incident = &event_case.incident, .lag = &lag, .with_stack = true}});
    json_decref(compact_parsed("lag"));
    event_json(
        (struct event){.kind = EVENT_FINDING, .graph = {.finding = &finding, .blocked_ns = 1}});
    json_t *object = compact_parsed("deadlock");
    json_t *chain = json_object_get(object, "chain");
    assert_true(json_array_size(chain) > 0);
    assert_int_equal(json_array_size(chain) +
                         (size_t)json_integer_value(json_object_get(object, "chain_omitted")),
                     CHAIN_LIMIT);
    json_decref(object);
    LONGEST(given);
    settings_read(&event_case.settings, NULL, &(struct program_names){.executable = "engine"},
                  false, NULL, NULL);
    event_case.settings.given[SETTING_LOG] = event_case.settings.given[SETTING_SKIP] = true;
    event_case.settings.text[SETTING_LOG] = event_case.settings.text[SETTING_SKIP] = given;
    struct event_start start = {
        .argv0 = given, .settings = &event_case.settings, .cpu_stacks = "perf_event"};
    event_json((struct event){.kind = EVENT_START, .start = &start});
    json_decref(compact_parsed("start"));
    summary_begin(&event_case.summary);
    for (unsigned i = 0; i < SITE_LIMIT; i++) {
        event_case.incident.stack_hash = i + 1;
        summary_returned(&event_case.summary,
                         summary_blocked(&event_case.summary, &event_case.incident), 5000000);
    }
    event_case.summary.loop_count = 1;
    event_json((struct event){.kind = EVENT_SUMMARY, .summary = &event_case.summary});
    object = compact_parsed("summary");
    assert_true(json_array_size(json_object_get(object, "sites")) > 0);
    assert_int_equal(json_array_size(json_object_get(object, "loops")), 1);
    json_decref(object);
    event_compact_begin(false);
    event_case.head.executable = "/opt/engine";
    memset(event_case.frames, 0, sizeof event_case.frames);
}

/* Frames as strings, and each module once. */
static void test_compact_frames(void **state)
{
    static const struct python_frame python[] = {{.function = "tick", .file = "app.py", .line = 3}};
    (void)state;
    strcpy(event_case.frames[0].symbol, "write");
    event_case.frames[0].symbol_offset = 16;
    strcpy(event_case.frames[0].module, "/lib/libc.so.6");
    event_case.frames[0].offset = 0x1234;
    event_case.frames[0].build_id_size = 2;
    strcpy(event_case.frames[1].module, "/opt/libc.so.6");
    event_case.frames[2].pc = 0x77;
    event_case.incident.frame_count = 3;
    event_case.incident.python = python;
    event_case.incident.python_count = 1;
    event_compact_begin(true);
    begin_compact();
    event_json(event_blocked(true));
    json_t *object = compact_parsed("blocked");
    json_t *stack = json_object_get(object, "stack"), *modules = json_object_get(object, "modules");
    assert_string_equal(json_string_value(json_array_get(stack, 0)), "write+16 libc.so.6+0x1234");
    assert_string_equal(json_string_value(json_array_get(stack, 1)), "? libc.so.6#1+0x0");
    assert_string_equal(json_string_value(json_array_get(stack, 2)), "? 0x77");
    assert_string_equal(json_string_value(json_array_get(json_object_get(object, "python"), 0)),
                        "app.py:3 tick");
    json_t *libc = json_object_get(modules, "libc.so.6");
    assert_string_equal(json_string_value(json_object_get(libc, "path")), "/lib/libc.so.6");
    assert_string_equal(json_string_value(json_object_get(libc, "build_id")), "0000");
    json_decref(object);
    event_compact_written(false); /* lost: they are named again */
    event_json(event_blocked(true));
    object = compact_parsed("blocked");
    assert_int_equal(json_object_size(json_object_get(object, "modules")), 2);
    json_decref(object);
    event_compact_written(true);
    event_json(event_blocked(true));
    object = compact_parsed("blocked");
    assert_null(json_object_get(object, "modules"));
    json_decref(object);
    event_compact_begin(false);
    memset(event_case.frames, 0, sizeof event_case.frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_compact_javascript, event_set_up),
        cmocka_unit_test_setup(test_compact_is_below_4_kib, event_set_up),
        cmocka_unit_test_setup(test_compact_frames, event_set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
