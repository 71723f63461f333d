// SPDX-License-Identifier: MIT
#include "event_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct event_case event_case = {.head = {.seq = 7,
                                         .time_ns = 1700000000123456789,
                                         .pid = 42,
                                         .tid = 43,
                                         .executable = "/opt/engine",
                                         .thread = "io"}};

int event_set_up(void **state)
{
    (void)state;
    memset(&event_case.incident, 0, sizeof event_case.incident);
    event_case.incident.class = CLASS_PIPE_WRITE;
    strcpy(event_case.incident.call, "fprintf");
    event_case.incident.kernel_call = "write";
    event_case.incident.fd = 2;
    event_case.incident.bytes = 1024;
    event_case.incident.blocked_ns = 100200000;
    event_case.incident.threshold_ns = 100000000;
    event_case.incident.object.kind = OBJECT_PIPE;
    strcpy(event_case.incident.object.name, "pipe:[81723]");
    event_case.incident.object.pipe = (struct pipe_facts){.inode = 81723,
                                                          .used = 65536,
                                                          .capacity = 65536,
                                                          .slots = 16,
                                                          .slots_used = 16,
                                                          .full = 1,
                                                          .role = "writer"};
    event_case.incident.frames = event_case.frames;
    event_case.incident.stack_complete = true;
    text_init(&event_case.text, event_case.data, sizeof event_case.data);
    return 0;
}

void event_json(struct event event)
{
    event.head = event_case.head;
    event_render(&event_format_json, &event_case.text, &event);
}

void event_words(struct event event)
{
    event.head = event_case.head;
    event_render(&event_format_text, &event_case.text, &event);
}

struct event event_blocked(bool with_stack)
{
    return (struct event){.kind = EVENT_BLOCKED,
                          .wait = {.incident = &event_case.incident,
                                   .advice = event_advice(&event_case.incident),
                                   .with_stack = with_stack}};
}

json_t *event_parsed(const char *event)
{
    static const char *const common[] = {"event", "time",   "pid", "tid",
                                         "exe",   "thread", "seq", "v"};
    json_error_t error;
    assert_false(event_case.text.truncated);
    assert_ptr_equal(strchr(event_case.data, '\n'), event_case.data + event_case.text.length - 1);
    json_t *object =
        json_loadb(event_case.data, event_case.text.length, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        assert_non_null(json_object_get(object, common[i]));
    assert_string_equal(json_string_value(json_object_get(object, "event")), event);
    return object;
}

void event_has(json_t *object, const char *key)
{
    if (!json_object_get(object, key))
        fail_msg("no %s in %s", key, event_case.data);
}
