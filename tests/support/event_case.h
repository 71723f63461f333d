// SPDX-License-Identifier: MIT
/* What a test renders as an event, and reads again. */
#ifndef PIPESHIM_TESTS_EVENT_CASE_H
#define PIPESHIM_TESTS_EVENT_CASE_H

/* jansson has a function of this name, too. */
#define json_string jansson_string
#include <jansson.h>
#undef json_string

#include "report/event.h"

struct event_case {
    char data[64 * 1024]; /* what was rendered */
    struct text_buffer text;
    struct stack_frame_name frames[STACK_DEPTH_LIMIT];
    struct settings settings;
    struct summary summary;
    struct incident incident;
    struct event_head head;
};
extern struct event_case event_case;

/* An engine's fprintf() on a full pipe, and nothing rendered: for cmocka_unit_test_setup(). */
int event_set_up(void **state);

void event_json(struct event event);
void event_words(struct event event);

/* That incident as the event. */
struct event event_blocked(bool with_stack);

/* The one line that was written, with the fields that every event has. The caller gives it back. */
json_t *event_parsed(const char *event);

void event_has(json_t *object, const char *key);

#endif
