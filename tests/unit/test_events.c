// SPDX-License-Identifier: MIT
/* Each event as JSON: one line, valid, with the contract's fields; and the text for a person. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
/* jansson has a function of this name, too. */
#define json_string jansson_string
#include <jansson.h>
#undef json_string

#include "report/event.h"
#include "report/event_json_compact.h"

static char data[64 * 1024];
static struct text_buffer text;
static struct stack_frame_name frames[STACK_DEPTH_LIMIT];
static struct settings settings;
static struct summary summary;
static struct incident incident;

static struct event_head head = {.seq = 7,
                                 .time_ns = 1700000000123456789,
                                 .pid = 42,
                                 .tid = 43,
                                 .executable = "/opt/engine",
                                 .thread = "io"};

static int set_up(void **state)
{
    (void)state;
    memset(&incident, 0, sizeof incident);
    incident.class = CLASS_PIPE_WRITE;
    strcpy(incident.call, "fprintf");
    incident.kernel_call = "write";
    incident.fd = 2;
    incident.bytes = 1024;
    incident.blocked_ns = 100200000;
    incident.threshold_ns = 100000000;
    incident.object.kind = OBJECT_PIPE;
    strcpy(incident.object.name, "pipe:[81723]");
    incident.object.pipe = (struct pipe_facts){.inode = 81723,
                                               .used = 65536,
                                               .capacity = 65536,
                                               .slots = 16,
                                               .slots_used = 16,
                                               .full = 1,
                                               .role = "writer"};
    incident.frames = frames;
    incident.stack_complete = true;
    text_init(&text, data, sizeof data);
    return 0;
}

static void json(struct event event)
{
    event.head = head;
    event_render(&event_format_json, &text, &event);
}

static void words(struct event event)
{
    event.head = head;
    event_render(&event_format_text, &text, &event);
}

static struct event blocked(bool with_stack)
{
    return (struct event){.kind = EVENT_BLOCKED,
                          .wait = {.incident = &incident,
                                   .advice = event_advice(&incident),
                                   .with_stack = with_stack}};
}

/* The one line that was written, with the fields that every event has. */
static json_t *parsed(const char *event)
{
    static const char *const common[] = {"event", "time",   "pid", "tid",
                                         "exe",   "thread", "seq", "v"};
    json_error_t error;
    assert_false(text.truncated);
    assert_ptr_equal(strchr(data, '\n'), data + text.length - 1);
    json_t *object = json_loadb(data, text.length, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        assert_non_null(json_object_get(object, common[i]));
    assert_string_equal(json_string_value(json_object_get(object, "event")), event);
    return object;
}

static void has(json_t *object, const char *key)
{
    if (!json_object_get(object, key))
        fail_msg("no %s in %s", key, data);
}

static void test_blocked(void **state)
{
    static const char *const fields[] = {"call",   "syscall", "class",      "fd",
                                         "object", "bytes",   "blocked_ms", "threshold_ms",
                                         "loop",   "pipe",    "stack"};
    (void)state;
    json(blocked(true));
    json_t *object = parsed("blocked");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        has(object, fields[i]);
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
    incident.javascript = javascript;
    incident.javascript_count = 4;
    json(blocked(true));
    json_t *object = parsed("blocked"), *frame = json_object_get(object, "javascript");
    assert_int_equal(json_array_size(frame), 4);
    assert_null(json_object_get(json_array_get(frame, 0), "file"));
    assert_null(json_object_get(json_array_get(frame, 0), "line"));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(frame, 1), "column")), 3);
    assert_true(json_is_true(json_object_get(json_array_get(frame, 1), "inlined")));
    assert_true(json_is_true(json_object_get(json_array_get(frame, 2), "unreadable")));
    assert_int_equal(json_object_size(json_array_get(frame, 2)), 1);
    assert_null(json_object_get(json_array_get(frame, 3), "line"));
    json_decref(object);
    text_init(&text, data, sizeof data);
    words(blocked(true));
    assert_non_null(strstr(data, "    map  (builtin)\n    <anonymous>  /srv/app.js:7:3\n"
                                 "    (a frame that could not be read)\n"
                                 "    drive  file:///srv/m.mjs, in the function of line 4\n"));
}

/* Names as long as they can be, of bytes that six characters stand for. */
static void test_deepest_stack_with_longest_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STACK_DEPTH_LIMIT; i++) {
        frames[i].pc = UINT64_MAX;
        frames[i].offset = UINT64_MAX;
        frames[i].symbol_offset = INT64_MAX; /* jansson knows no larger integers */
        frames[i].build_id_size = BUILD_ID_LIMIT;
        memset(frames[i].module, 1, sizeof frames[i].module - 1);
        memset(frames[i].symbol, 0xff, sizeof frames[i].symbol - 1);
    }
    incident.frame_count = STACK_DEPTH_LIMIT;
    /* Wherever the end of the buffer falls within a frame. */
    static char executable[3000];
    head.executable = executable;
    for (unsigned length = 0; length < sizeof executable - 1; length += 50) {
        memset(executable, 'e', length);
        text_init(&text, data, sizeof data);
        json(blocked(true));
        json_t *object = parsed("blocked");
        assert_true(json_array_size(json_object_get(object, "stack")) > 10);
        assert_true(json_is_true(json_object_get(object, "stack_truncated")));
        json_decref(object);
    }
    head.executable = "/opt/engine";
    memset(frames, 0, sizeof frames);
}

/* The same of JavaScript frames: those that do not fit are counted, the C stack keeps its share. */
static void test_deepest_javascript_with_longest_names(void **state)
{
    (void)state;
    incident.frame_count = STACK_DEPTH_LIMIT;
    static struct javascript_frame javascript[STACK_DEPTH_LIMIT];
    for (unsigned i = 0; i < STACK_DEPTH_LIMIT; i++) {
        javascript[i] = (struct javascript_frame){.readable = true, .line = 1, .column = 1};
        memset(javascript[i].file, 1, sizeof javascript[i].file - 1);
        memset(javascript[i].function, 1, sizeof javascript[i].function - 1);
    }
    incident.javascript = javascript;
    incident.javascript_count = STACK_DEPTH_LIMIT;
    json(blocked(true));
    json_t *object = parsed("blocked");
    size_t shown = json_array_size(json_object_get(object, "javascript"));
    assert_int_equal(shown +
                         (size_t)json_integer_value(json_object_get(object, "javascript_omitted")),
                     STACK_DEPTH_LIMIT);
    assert_true(shown > 3);
    assert_int_equal(json_array_size(json_object_get(object, "stack")), STACK_DEPTH_LIMIT);
    json_decref(object);
}

static void begin_compact(void)
{
    text_init(&text, data, COMPACT_LIMIT + 1);
}

static json_t *compact_parsed(const char *event)
{
    assert_true(text.length <= COMPACT_LIMIT);
    json_t *object = parsed(event);
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
    incident.javascript = javascript;
    incident.javascript_count = 4;
    event_compact_begin(true);
    begin_compact();
    json(blocked(true));
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
    struct pipe_facts *pipe = &incident.object.pipe;
    (void)state;
    LONGEST(executable);
    head.executable = executable;
    LONGEST(incident.call);
    LONGEST(incident.object.name);
    pipe->peers_known = true;
    pipe->peer_count = PEER_LIMIT;
    for (unsigned i = 0; i < PEER_LIMIT; i++) {
        pipe->peers[i] = (struct peer_facts){.pid = INT32_MAX, .fd = INT32_MAX, .state = 'S'};
        LONGEST(pipe->peers[i].comm);
        LONGEST(pipe->peers[i].waits_in);
    }
    incident.object.child = pipe->peers[0];
    for (unsigned i = 0; i < STACK_DEPTH_LIMIT; i++) {
        frames[i] = (struct stack_frame_name){.offset = UINT64_MAX, .build_id_size = 20};
        LONGEST(frames[i].module);
        frames[i].module[0] = (char)('A' + i % 26);
        LONGEST(frames[i].symbol);
        LONGEST(python[i].file);
        LONGEST(python[i].function);
    }
    incident.frame_count = incident.python_count = STACK_DEPTH_LIMIT;
    incident.python = python;
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
    json(blocked(true));
    json_decref(compact_parsed("blocked"));
    json((struct event){.kind = EVENT_LAG,
                        .wait = {.incident = &incident, .lag = &lag, .with_stack = true}});
    json_decref(compact_parsed("lag"));
    json((struct event){.kind = EVENT_FINDING, .graph = {.finding = &finding, .blocked_ns = 1}});
    json_t *object = compact_parsed("deadlock");
    json_t *chain = json_object_get(object, "chain");
    assert_true(json_array_size(chain) > 0);
    assert_int_equal(json_array_size(chain) +
                         (size_t)json_integer_value(json_object_get(object, "chain_omitted")),
                     CHAIN_LIMIT);
    json_decref(object);
    LONGEST(given);
    settings_read(&settings, NULL, &(struct program_names){.executable = "engine"}, false, NULL,
                  NULL);
    settings.given[SETTING_LOG] = settings.given[SETTING_SKIP] = true;
    settings.text[SETTING_LOG] = settings.text[SETTING_SKIP] = given;
    struct event_start start = {.argv0 = given, .settings = &settings, .cpu_stacks = "perf_event"};
    json((struct event){.kind = EVENT_START, .start = &start});
    json_decref(compact_parsed("start"));
    summary_begin(&summary);
    for (unsigned i = 0; i < SITE_LIMIT; i++) {
        incident.stack_hash = i + 1;
        summary_returned(&summary, summary_blocked(&summary, &incident), 5000000);
    }
    summary.loop_count = 1;
    json((struct event){.kind = EVENT_SUMMARY, .summary = &summary});
    object = compact_parsed("summary");
    assert_true(json_array_size(json_object_get(object, "sites")) > 0);
    assert_int_equal(json_array_size(json_object_get(object, "loops")), 1);
    json_decref(object);
    event_compact_begin(false);
    head.executable = "/opt/engine";
    memset(frames, 0, sizeof frames);
}

/* Frames as strings, and each module once. */
static void test_compact_frames(void **state)
{
    static const struct python_frame python[] = {{.function = "tick", .file = "app.py", .line = 3}};
    (void)state;
    strcpy(frames[0].symbol, "write");
    frames[0].symbol_offset = 16;
    strcpy(frames[0].module, "/lib/libc.so.6");
    frames[0].offset = 0x1234;
    frames[0].build_id_size = 2;
    strcpy(frames[1].module, "/opt/libc.so.6");
    frames[2].pc = 0x77;
    incident.frame_count = 3;
    incident.python = python;
    incident.python_count = 1;
    event_compact_begin(true);
    begin_compact();
    json(blocked(true));
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
    json(blocked(true));
    object = compact_parsed("blocked");
    assert_int_equal(json_object_size(json_object_get(object, "modules")), 2);
    json_decref(object);
    event_compact_written(true);
    json(blocked(true));
    object = compact_parsed("blocked");
    assert_null(json_object_get(object, "modules"));
    json_decref(object);
    event_compact_begin(false);
    memset(frames, 0, sizeof frames);
}

static void test_start_warning_unblocked_summary(void **state)
{
    (void)state;
    settings_read(&settings, NULL, &(struct program_names){.executable = "engine"}, false, NULL,
                  NULL);
    struct event_start start = {
        .argv0 = "./engine", .host = "alpha", .settings = &settings, .cpu_stacks = "perf_event"};
    json((struct event){.kind = EVENT_START, .start = &start});
    json_t *object = parsed("start");
    has(object, "version");
    has(object, "argv0");
    assert_string_equal(json_string_value(json_object_get(object, "host")), "alpha");
    has(object, "config");
    has(object, "features");
    json_decref(object);
    set_up(state);
    json((struct event){.kind = EVENT_UNBLOCKED, .end = {.ref = 3, .blocked_ns = 5000000}});
    object = parsed("unblocked");
    assert_int_equal(json_integer_value(json_object_get(object, "ref")), 3);
    has(object, "blocked_ms");
    has(object, "result");
    json_decref(object);
    set_up(state);
    json((struct event){.kind = EVENT_WARNING, .message = "a\nb"});
    json_decref(parsed("warning"));
    set_up(state);
    summary_begin(&summary);
    summary_returned(&summary, summary_blocked(&summary, &incident), 5000000);
    json((struct event){.kind = EVENT_SUMMARY, .summary = &summary});
    object = parsed("summary");
    json_t *site = json_array_get(json_object_get(object, "sites"), 0);
    has(site, "count");
    has(site, "total_ms");
    has(site, "max_ms");
    has(site, "p50_ms");
    has(site, "p99_ms");
    json_decref(object);
}

static void test_first_line_of_text(void **state)
{
    (void)state;
    words(blocked(false));
    *strchr(data, '\n') = '\0';
    assert_non_null(strstr(data, "engine[42]"));
    assert_non_null(strstr(data, "fprintf(fd 2, 1024 bytes)"));
    assert_non_null(strstr(data, "pipe:[81723]"));
    assert_non_null(strstr(data, "65536 of 65536"));
}

/* A stall that goes on for days must not fill the log with what it has said. */
static void test_a_repeat_is_one_line(void **state)
{
    (void)state;
    struct event event = blocked(false);
    event.wait.repeat = 3;
    event.wait.where = "app.py:7 log";
    words(event);
    assert_string_equal(strchr(data, '\n'), "\n");
    assert_non_null(strstr(data, ", at app.py:7 log, as 3 times before"));
    event.wait.with_stack = true; /* it is time to show it again */
    words(event);
    assert_string_not_equal(strchr(data, '\n'), "\n");
}

#define HOSTILE "x\n\x1b[2J\xc2\x9b\xe2\x80\xae\xff"

static void add_frame(const char *symbol, const char *module)
{
    struct stack_frame_name *frame = &frames[incident.frame_count++];
    memset(frame, 0, sizeof *frame);
    strcpy(frame->symbol, symbol);
    strcpy(frame->module, module);
}

static bool lag_says(struct lag_facts *lag, const char *wanted)
{
    text_init(&text, data, sizeof data);
    words((struct event){.kind = EVENT_LAG,
                         .wait = {.incident = &incident, .lag = lag, .with_stack = true}});
    data[text.length] = '\0';
    return strstr(data, wanted) != NULL;
}

static bool lag_says_in_json(struct lag_facts *lag, const char *wanted)
{
    text_init(&text, data, sizeof data);
    event_render(&event_format_json, &text,
                 &(struct event){.head = head,
                                 .kind = EVENT_LAG,
                                 .wait = {.incident = &incident, .lag = lag, .with_stack = true}});
    data[text.length] = '\0';
    return strstr(data, wanted) != NULL;
}

static bool blocked_says(const char *wanted)
{
    text_init(&text, data, sizeof data);
    words(blocked(true));
    data[text.length] = '\0';
    return strstr(data, wanted) != NULL;
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
    incident.python = python;
    incident.python_count = 1;
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
    incident.class = CLASS_CPU;
    incident.loop = incident.running = true;
    assert_true(lag_says(&lag, "stack, where it runs, innermost first:"));
    assert_true(lag_says(&lag, "#0 compute"));
    incident.running = false;
    assert_true(lag_says(&lag, "stack, of the call that it is in now,"));
    incident.running = incident.starting = true;
    assert_true(lag_says(&lag, "while it starts"));
    assert_false(lag_says(&lag, "#0 compute"));
    incident.class = CLASS_PIPE_WRITE;
    incident.running = false; /* a call is reported as ever */
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
    incident.class = CLASS_LOCK;
    incident.loop = true;
    incident.fd = -1;
    memset(&incident.object, 0, sizeof incident.object);
    strcpy(incident.call, "pthread_mutex_lock");
    assert_true(blocked_says("on lock [event loop]"));
    assert_true(blocked_says("another thread or process holds it"));
    add_frame("JavaThread::sleep", "/usr/lib/jvm/lib/server/libjvm.so");
    assert_true(blocked_says("on a condition [event loop]"));
    assert_false(blocked_says("holds it"));
    incident.frame_count = 0;
    strcpy(incident.call, "pthread_cond_timedwait");
    assert_true(blocked_says("do not wait for a condition"));
}

static void test_a_reader_that_runs(void **state)
{
    struct pipe_facts *pipe = &incident.object.pipe;
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
    struct pipe_facts *pipe = &incident.object.pipe;
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
    incident.object.kind = OBJECT_SOCKET;
    strcpy(incident.object.socket.remote, "127.0.0.1:11434");
    incident.object.socket.peer_pid = 20276;
    strcpy(incident.object.socket.peer_name, "ollama");
    assert_true(blocked_says("connected to 127.0.0.1:11434, which is ollama[20276]"));
    incident.object.socket.peer_pid = UNKNOWN_NUMBER;
    assert_true(blocked_says("connected to 127.0.0.1:11434\n"));
}

static void set_hostile_names(void)
{
    static struct python_frame python = {.line = 1, .file = HOSTILE, .function = HOSTILE};
    head.executable = "/opt/" HOSTILE;
    head.thread = HOSTILE;
    strcpy(incident.call, HOSTILE);
    strcpy(incident.object.name, HOSTILE);
    incident.object.pipe.peers_known = true;
    incident.object.pipe.peer_count = 1;
    strcpy(incident.object.pipe.peers[0].comm, HOSTILE);
    strcpy(incident.object.pipe.peers[0].waits_in, HOSTILE);
    incident.object.child = incident.object.pipe.peers[0];
    incident.object.child.pid = 9;
    incident.python = &python;
    incident.python_count = 1;
    static struct javascript_frame javascript = {
        .readable = true, .line = 1, .file = HOSTILE, .function = HOSTILE};
    incident.javascript = &javascript;
    incident.javascript_count = 1;
    strcpy(frames[0].module, "/opt/" HOSTILE);
    strcpy(frames[0].symbol, HOSTILE);
    incident.frame_count = 1;
}

/* What a terminal shows: nothing but lines that begin as ours do, and no command. */
static void is_clean(const char *what)
{
    assert_true(text.length > 0);
    for (const char *at = data; *at; at++) {
        bool first = at == data || at[-1] == '\n';
        if ((unsigned char)*at >= 0x7f || (*at < ' ' && *at != '\n') ||
            (first && strncmp(at, "pipeshim: ", 10) != 0 && *at != ' '))
            fail_msg("%s shows %s", what, data);
    }
    text_init(&text, data, sizeof data);
}

static void test_hostile_names_in_text(void **state)
{
    static struct wait_finding finding = {.kind = FINDING_DEADLOCK, .count = 1};
    static struct lag_facts lag = {.call_count = 1};
    struct drain_facts drain = {.fd = 2};
    struct event_start start = {.argv0 = HOSTILE, .settings = &settings};
    const char *loop[] = {"PIPESHIM_LOOP=" HOSTILE, NULL};
    (void)state;
    set_hostile_names();
    settings_read(&settings, (char *const *)loop, &(struct program_names){.executable = "engine"},
                  false, NULL, NULL);
    words((struct event){.kind = EVENT_START, .start = &start});
    assert_non_null(strstr(data, "PIPESHIM_LOOP=x"));
    is_clean("start");
    words(blocked(true));
    is_clean("blocked");
    incident.object.kind = OBJECT_SOCKET;
    strcpy(incident.object.socket.remote, HOSTILE);
    words(blocked(true));
    is_clean("blocked on a socket");
    strcpy(lag.calls[0].name, HOSTILE);
    words((struct event){.kind = EVENT_LAG,
                         .wait = {.incident = &incident, .lag = &lag, .with_stack = true}});
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
    words(
        (struct event){.kind = EVENT_FINDING, .graph = {.finding = &finding, .members = &member}});
    is_clean("finding");
    words((struct event){.kind = EVENT_FILLING, .filling = {.fd = 2, .object = &incident.object}});
    is_clean("filling");
    drain.object = incident.object;
    words((struct event){.kind = EVENT_DRAIN, .drain = &drain});
    is_clean("drain_start");
    words((struct event){.kind = EVENT_WARNING, .message = HOSTILE});
    is_clean("warning");
    words((struct event){.kind = EVENT_ACTION, .action = {.name = HOSTILE, .result = HOSTILE}});
    is_clean("action");
    summary_begin(&summary);
    summary_blocked(&summary, &incident);
    strcpy(summary.loops[0].thread, HOSTILE);
    summary.loop_count = 1;
    words((struct event){.kind = EVENT_SUMMARY, .summary = &summary});
    is_clean("summary");
}

/* A terminal that shows the log takes no command from it, and the names stay what they are. */
static void test_hostile_names_in_json(void **state)
{
    (void)state;
    set_hostile_names();
    json(blocked(true));
    for (const char *at = data; *at && *at != '\n'; at++)
        assert_in_range((unsigned char)*at, ' ', '~');
    json_t *object = parsed("blocked");
    assert_string_equal(json_string_value(json_object_get(object, "thread")),
                        "x\n\x1b[2J\xc2\x9b\xe2\x80\xae\xef\xbf\xbd");
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_blocked, set_up),
        cmocka_unit_test_setup(test_javascript, set_up),
        cmocka_unit_test_setup(test_compact_javascript, set_up),
        cmocka_unit_test_setup(test_deepest_javascript_with_longest_names, set_up),
        cmocka_unit_test_setup(test_deepest_stack_with_longest_names, set_up),
        cmocka_unit_test_setup(test_start_warning_unblocked_summary, set_up),
        cmocka_unit_test_setup(test_compact_is_below_4_kib, set_up),
        cmocka_unit_test_setup(test_compact_frames, set_up),
        cmocka_unit_test_setup(test_first_line_of_text, set_up),
        cmocka_unit_test_setup(test_a_repeat_is_one_line, set_up),
        cmocka_unit_test_setup(test_a_reader_by_the_name_of_its_script, set_up),
        cmocka_unit_test_setup(test_a_reader_that_runs, set_up),
        cmocka_unit_test_setup(test_interpreters_frames_are_left_out, set_up),
        cmocka_unit_test_setup(test_the_stack_of_a_lag_says_whose_it_is, set_up),
        cmocka_unit_test_setup(test_both_causes_have_their_advice, set_up),
        cmocka_unit_test_setup(test_a_condition_is_no_lock, set_up),
        cmocka_unit_test_setup(test_the_process_behind_a_socket_has_a_name, set_up),
        cmocka_unit_test_setup(test_hostile_names_in_text, set_up),
        cmocka_unit_test_setup(test_hostile_names_in_json, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
