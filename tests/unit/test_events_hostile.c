// SPDX-License-Identifier: MIT
/* Names that a program chose so that the terminal which shows the log takes commands from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "event_case.h"

#define HOSTILE "x\n\x1b[2J\xc2\x9b\xe2\x80\xae\xff"

static void set_hostile_names(void)
{
    static struct python_frame python = {.line = 1, .file = HOSTILE, .function = HOSTILE};
    event_case.head.executable = "/opt/" HOSTILE;
    event_case.head.thread = HOSTILE;
    strcpy(event_case.incident.call, HOSTILE);
    strcpy(event_case.incident.object.name, HOSTILE);
    event_case.incident.object.pipe.peers_known = true;
    event_case.incident.object.pipe.peer_count = 1;
    strcpy(event_case.incident.object.pipe.peers[0].comm, HOSTILE);
    strcpy(event_case.incident.object.pipe.peers[0].waits_in, HOSTILE);
    event_case.incident.object.child = event_case.incident.object.pipe.peers[0];
    event_case.incident.object.child.pid = 9;
    event_case.incident.python = &python;
    event_case.incident.python_count = 1;
    static struct javascript_frame javascript = {
        .readable = true, .line = 1, .file = HOSTILE, .function = HOSTILE};
    event_case.incident.javascript = &javascript;
    event_case.incident.javascript_count = 1;
    strcpy(event_case.frames[0].module, "/opt/" HOSTILE);
    strcpy(event_case.frames[0].symbol, HOSTILE);
    event_case.incident.frame_count = 1;
}

/* What a terminal shows: nothing but lines that begin as ours do, and no command. */
static void is_clean(const char *what)
{
    assert_true(event_case.text.length > 0);
    for (const char *at = event_case.data; *at; at++) {
        bool first = at == event_case.data || at[-1] == '\n';
        if ((unsigned char)*at >= 0x7f || (*at < ' ' && *at != '\n') ||
            (first && strncmp(at, "pipeshim: ", 10) != 0 && *at != ' '))
            fail_msg("%s shows %s", what, event_case.data);
    }
    text_init(&event_case.text, event_case.data, sizeof event_case.data);
}

static void test_hostile_names_in_text(void **state)
{
    static struct wait_finding finding = {.kind = FINDING_DEADLOCK, .count = 1};
    static struct lag_facts lag = {.call_count = 1};
    struct drain_facts drain = {.fd = 2};
    struct event_start start = {.argv0 = HOSTILE, .settings = &event_case.settings};
    const char *loop[] = {"PIPESHIM_LOOP=" HOSTILE, NULL};
    (void)state;
    set_hostile_names();
    settings_read(&event_case.settings, (char *const *)loop,
                  &(struct program_names){.executable = "engine"}, false, NULL, NULL);
    event_words((struct event){.kind = EVENT_START, .start = &start});
    assert_non_null(strstr(event_case.data, "PIPESHIM_LOOP=x"));
    is_clean("start");
    event_words(event_blocked(true));
    is_clean("blocked");
    event_case.incident.object.kind = OBJECT_SOCKET;
    strcpy(event_case.incident.object.socket.remote, HOSTILE);
    event_words(event_blocked(true));
    is_clean("blocked on a socket");
    strcpy(lag.calls[0].name, HOSTILE);
    event_words((struct event){
        .kind = EVENT_LAG,
        .wait = {.incident = &event_case.incident, .lag = &lag, .with_stack = true}});
    is_clean("lag");
    strcpy(finding.chain[0].comm, HOSTILE);
    strcpy(finding.chain[0].waits_in, HOSTILE);
    strcpy(finding.chain[0].object, HOSTILE);
    strcpy(finding.words, HOSTILE);
    strcpy(finding.advice, HOSTILE);
    strcpy(finding.chain[0].name, HOSTILE);
    strcpy(finding.chain[0].for_name, HOSTILE);
    finding.count = 1;
    finding.chain[0].for_pid = 7;
    static struct member member;
    strcpy(member.where, HOSTILE);
    strcpy(member.source, HOSTILE);
    event_words(
        (struct event){.kind = EVENT_FINDING, .graph = {.finding = &finding, .members = &member}});
    is_clean("finding");
    event_words((struct event){.kind = EVENT_FILLING,
                               .filling = {.fd = 2, .object = &event_case.incident.object}});
    is_clean("filling");
    drain.object = event_case.incident.object;
    event_words((struct event){.kind = EVENT_DRAIN, .drain = &drain});
    is_clean("drain_start");
    event_words((struct event){.kind = EVENT_WARNING, .message = HOSTILE});
    is_clean("warning");
    event_words(
        (struct event){.kind = EVENT_ACTION, .action = {.name = HOSTILE, .result = HOSTILE}});
    is_clean("action");
    summary_begin(&event_case.summary);
    summary_blocked(&event_case.summary, &event_case.incident);
    strcpy(event_case.summary.loops[0].thread, HOSTILE);
    event_case.summary.loop_count = 1;
    event_words((struct event){.kind = EVENT_SUMMARY, .summary = &event_case.summary});
    is_clean("summary");
}

/* A terminal that shows the log takes no command from it, and the names stay what they are. */
static void test_hostile_names_in_json(void **state)
{
    (void)state;
    set_hostile_names();
    event_json(event_blocked(true));
    for (const char *at = event_case.data; *at && *at != '\n'; at++)
        assert_in_range((unsigned char)*at, ' ', '~');
    json_t *object = event_parsed("blocked");
    assert_string_equal(json_string_value(json_object_get(object, "thread")),
                        "x\n\x1b[2J\xc2\x9b\xe2\x80\xae\xef\xbf\xbd");
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_hostile_names_in_text, event_set_up),
        cmocka_unit_test_setup(test_hostile_names_in_json, event_set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
