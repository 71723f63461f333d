// SPDX-License-Identifier: MIT
/* Each event as text for a person. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "event_case.h"

static void test_first_line_of_text(void **state)
{
    (void)state;
    event_words(event_blocked(false));
    *strchr(event_case.data, '\n') = '\0';
    assert_non_null(strstr(event_case.data, "engine[42]"));
    assert_non_null(strstr(event_case.data, "fprintf(fd 2, 1024 bytes)"));
    assert_non_null(strstr(event_case.data, "pipe:[81723]"));
    assert_non_null(strstr(event_case.data, "65536 of 65536"));
}

/* How it is cured, and why so small a pipe; of neither where there is nothing to say. */
static void test_the_cure_and_a_small_pipe(void **state)
{
    (void)state;
    struct event event = event_blocked(false);
    event_words(event);
    assert_null(strstr(event_case.data, "now: "));
    assert_null(strstr(event_case.data, "pipe-user-pages"));
    event.wait.cured = true;
    event_case.incident.object.pipe.capacity = 8192;
    event_words(event);
    assert_non_null(strstr(event_case.data, "  now: pipeshim rescue 42 --fd 2; without a change of "
                                            "code: PIPESHIM_DRAIN=stderr\n"));
    assert_non_null(strstr(event_case.data, "fs.pipe-user-pages-soft"));
}

/* A stall that goes on for days must not fill the log with what it has said. */
static void test_a_repeat_is_one_line(void **state)
{
    (void)state;
    struct event event = event_blocked(false);
    event.wait.repeat = 3;
    event.wait.where = "app.py:7 log";
    event_words(event);
    assert_string_equal(strchr(event_case.data, '\n'), "\n");
    assert_non_null(strstr(event_case.data, ", at app.py:7 log, as 3 times before"));
    event.wait.with_stack = true; /* it is time to show it again */
    event_words(event);
    assert_string_not_equal(strchr(event_case.data, '\n'), "\n");
}

static bool left_out(const struct event *event)
{
    return event_text_leaves_out(event);
}

/* That a stall has ended is said once, and of a repeat not at all. */
static void test_an_end_that_says_nothing_new(void **state)
{
    (void)state;
    struct lag_facts lag = {
        .lag_ns = 400 * 1000000ULL,
        .call_count = 1,
        .calls = {{.name = "recv", .class = CLASS_SOCKET_READ, .ns = 390 * 1000000ULL}}};
    struct event event = {.kind = EVENT_UNBLOCKED, .end = {.ref = 3, .blocked_ns = 5000000}};
    assert_false(left_out(&event));
    event.end.repeat = 2;
    assert_true(left_out(&event));

    event = (struct event){.kind = EVENT_LAG_END, .end = {.ref = 3, .lag = &lag}};
    assert_false(left_out(&event)); /* a lag's own end */
    event.end.of_call = true;
    assert_true(left_out(&event));
    lag.calls[0].ns /= 2; /* the loop computed for as long: that is news */
    assert_false(left_out(&event));
    lag.call_count = 0;
    assert_false(left_out(&event));
}

static void add_frame(const char *symbol, const char *module)
{
    struct stack_frame_name *frame = &event_case.frames[event_case.incident.frame_count++];
    memset(frame, 0, sizeof *frame);
    strcpy(frame->symbol, symbol);
    strcpy(frame->module, module);
}

static bool lag_says(struct lag_facts *lag, const char *wanted)
{
    text_init(&event_case.text, event_case.data, sizeof event_case.data);
    event_words(
        (struct event){.kind = EVENT_LAG,
                       .wait = {.incident = &event_case.incident, .lag = lag, .with_stack = true}});
    event_case.data[event_case.text.length] = '\0';
    return strstr(event_case.data, wanted) != NULL;
}

static bool lag_says_in_json(struct lag_facts *lag, const char *wanted)
{
    text_init(&event_case.text, event_case.data, sizeof event_case.data);
    event_render(&event_format_json, &event_case.text,
                 &(struct event){
                     .head = event_case.head,
                     .kind = EVENT_LAG,
                     .wait = {.incident = &event_case.incident, .lag = lag, .with_stack = true}});
    event_case.data[event_case.text.length] = '\0';
    return strstr(event_case.data, wanted) != NULL;
}

static bool blocked_says(const char *wanted)
{
    text_init(&event_case.text, event_case.data, sizeof event_case.data);
    event_words(event_blocked(true));
    event_case.data[event_case.text.length] = '\0';
    return strstr(event_case.data, wanted) != NULL;
}

static void test_interpreters_frames_are_left_out(void **state)
{
    static const struct python_frame python[] = {{.function = "tick", .file = "app.py", .line = 3}};
    (void)state;
    add_frame("write", "/lib/libc.so.6");
    add_frame("_PyEval_EvalFrameDefault", "/usr/bin/python3.11");
    add_frame("PyObject_Call", "/usr/bin/python3.11");
    add_frame("called_back", "/srv/extension.so");
    add_frame("main", "/usr/bin/python3.11");
    add_frame("__libc_start_main", "/lib/libc.so.6");
    assert_true(blocked_says("PyObject_Call")); /* no Python frames were read: it is all there is */
    event_case.incident.python = python;
    event_case.incident.python_count = 1;
    assert_false(blocked_says("PyObject_Call"));
    assert_true(blocked_says("#0 write") && blocked_says("#1 _PyEval_EvalFrameDefault"));
    assert_true(blocked_says("#3 called_back"));
    assert_true(blocked_says("(3 of the interpreter left out)"));
}

static void test_the_stack_of_a_lag_says_whose_it_is(void **state)
{
    struct lag_facts lag = {.lag_ns = 120000000, .cause = CLASS_CPU};
    (void)state;
    add_frame("compute", "/srv/app");
    event_case.incident.class = CLASS_CPU;
    event_case.incident.loop = event_case.incident.running = true;
    assert_true(lag_says(&lag, "stack, where it runs, innermost first:"));
    assert_true(lag_says(&lag, "#0 compute"));
    event_case.incident.running = false;
    assert_true(lag_says(&lag, "stack, of the call that it is in now,"));
    event_case.incident.running = event_case.incident.starting = true;
    assert_true(lag_says(&lag, "while it starts"));
    assert_false(lag_says(&lag, "#0 compute"));
    event_case.incident.class = CLASS_PIPE_WRITE;
    event_case.incident.running = false; /* a call is reported as ever */
    assert_true(blocked_says("#0 compute"));
    assert_true(blocked_says("stack, taken while blocked"));
}

static void test_both_causes_have_their_advice(void **state)
{
    struct lag_facts lag = {.lag_ns = 120000000, .cause = CAUSE_STARVED};
    (void)state;
    lag.share_ns[CAUSE_STARVED] = 74000000;
    lag.share_ns[CLASS_CPU] = 46000000;
    assert_true(lag_says(&lag, "gets no CPU"));
    assert_true(lag_says(&lag, "long computations"));
    assert_true(lag_says_in_json(&lag, "throttles it; give long computations"));
    lag.share_ns[CLASS_CPU] = 1000000;
    assert_false(lag_says_in_json(&lag, "long computations"));
    assert_true(lag_says(&lag, "gets no CPU"));
    assert_false(lag_says(&lag, "long computations"));
}

static void test_a_condition_is_no_lock(void **state)
{
    (void)state;
    event_case.incident.class = CLASS_LOCK;
    event_case.incident.loop = true;
    event_case.incident.fd = -1;
    memset(&event_case.incident.object, 0, sizeof event_case.incident.object);
    strcpy(event_case.incident.call, "pthread_mutex_lock");
    assert_true(blocked_says("on lock [event loop]"));
    assert_true(blocked_says("another thread or process holds it"));
    add_frame("JavaThread::sleep", "/usr/lib/jvm/lib/server/libjvm.so");
    assert_true(blocked_says("on a condition [event loop]"));
    assert_false(blocked_says("holds it"));
    event_case.incident.frame_count = 0;
    strcpy(event_case.incident.call, "pthread_cond_timedwait");
    assert_true(blocked_says("do not wait for a condition"));
}

static void test_a_reader_that_runs(void **state)
{
    struct pipe_facts *pipe = &event_case.incident.object.pipe;
    (void)state;
    pipe->peers_known = true;
    pipe->peer_count = 1;
    pipe->peers[0] = (struct peer_facts){.pid = 7, .fd = 0, .state = 'R', .comm = "bzip2"};
    assert_true(
        blocked_says("its reader: bzip2[7] fd 0, which runs: if it reads, then more slowly"));
    pipe->peers[0].state = 'S';
    assert_false(blocked_says("which runs"));
}

static void test_a_reader_by_the_name_of_its_script(void **state)
{
    struct pipe_facts *pipe = &event_case.incident.object.pipe;
    (void)state;
    pipe->peers_known = true;
    pipe->peer_count = 1;
    pipe->peers[0] = (struct peer_facts){.pid = 7, .fd = 0, .comm = "python3"};
    assert_true(blocked_says("its reader: python3[7] fd 0"));
    strcpy(pipe->peers[0].name, "client.py");
    assert_true(blocked_says("its reader: client.py[7] fd 0"));
    assert_false(blocked_says("python3[7]"));
}

static void test_the_process_behind_a_socket_has_a_name(void **state)
{
    (void)state;
    event_case.incident.object.kind = OBJECT_SOCKET;
    strcpy(event_case.incident.object.socket.remote, "127.0.0.1:11434");
    event_case.incident.object.socket.peer_pid = 20276;
    strcpy(event_case.incident.object.socket.peer_name, "ollama");
    assert_true(blocked_says("connected to 127.0.0.1:11434, which is ollama[20276]"));
    event_case.incident.object.socket.peer_pid = UNKNOWN_NUMBER;
    assert_true(blocked_says("connected to 127.0.0.1:11434\n"));
}

/* Nothing of it where somebody is seen, and why no more is known where not. */
static void test_who_may_not_be_read(void **state)
{
    struct pipe_facts *pipe = &event_case.incident.object.pipe;
    (void)state;
    pipe->peers_known = true;
    assert_true(blocked_says("that can be seen holds its read end\n"));
    pipe->unread = (struct unread_count){.other_users = 1};
    assert_true(
        blocked_says("holds its read end; 1 may not be read (another user's; root may, with "
                     "CAP_SYS_PTRACE: pipeshim diagnose 42)\n"));
    pipe->unread = (struct unread_count){.other_users = 5, .is_protected = 2};
    assert_true(blocked_says("; 7 may not be read (5 of other users, 2 not dumpable or of more "));
    pipe->unread.other_users = 0;
    assert_true(blocked_says("; 2 may not be read (not dumpable, or of more rights; root"));

    pipe->peer_count = 1;
    pipe->unread = (struct unread_count){0};
    pipe->peers[0] = (struct peer_facts){.pid = 7, .fd = 0, .comm = "tee", .waits_in = "read"};
    assert_true(blocked_says("its reader: tee[7] fd 0, which waits in read\n"));
    pipe->peers[0].unread = UNREAD_PROTECTED;
    assert_true(
        blocked_says("which waits in read, whose call may not be read (not dumpable, of more "
                     "rights, or Yama's kernel.yama.ptrace_scope)\n"));
}

static void test_a_child_and_a_server_that_may_not_be_read(void **state)
{
    struct object_facts *object = &event_case.incident.object;
    (void)state;
    object->child = (struct peer_facts){.pid = 7, .comm = "sudo", .unread = UNREAD_OTHER_USER};
    assert_true(blocked_says("waits for sudo[7], whose call may not be read (another user's)\n"));
    object->kind = OBJECT_SOCKET;
    object->socket.peer_pid = UNKNOWN_NUMBER;
    strcpy(object->socket.remote, "127.0.0.1:5432");
    object->socket.unread.other_users = 3;
    assert_true(
        blocked_says("to 127.0.0.1:5432, which no process that can be seen holds; 3 may not be "
                     "read (of other users; root"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_first_line_of_text, event_set_up),
        cmocka_unit_test(test_an_end_that_says_nothing_new),
        cmocka_unit_test_setup(test_the_cure_and_a_small_pipe, event_set_up),
        cmocka_unit_test_setup(test_a_repeat_is_one_line, event_set_up),
        cmocka_unit_test_setup(test_a_reader_by_the_name_of_its_script, event_set_up),
        cmocka_unit_test_setup(test_a_reader_that_runs, event_set_up),
        cmocka_unit_test_setup(test_interpreters_frames_are_left_out, event_set_up),
        cmocka_unit_test_setup(test_the_stack_of_a_lag_says_whose_it_is, event_set_up),
        cmocka_unit_test_setup(test_both_causes_have_their_advice, event_set_up),
        cmocka_unit_test_setup(test_a_condition_is_no_lock, event_set_up),
        cmocka_unit_test_setup(test_the_process_behind_a_socket_has_a_name, event_set_up),
        cmocka_unit_test_setup(test_who_may_not_be_read, event_set_up),
        cmocka_unit_test_setup(test_a_child_and_a_server_that_may_not_be_read, event_set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
