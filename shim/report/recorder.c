// SPDX-License-Identifier: MIT
#include "report/recorder.h"

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/rights.h"
#include "kernel/task.h"
#include "process/executable.h"
#include "process/life.h"
#include "report/event_json_compact.h"
#include "report/journal_record.h"
#include "report/log.h"
#include "report/rate_limit.h"
#include "report/status_page.h"
#include "report/suppress.h"

/* JSON_SHARE: of a record that has the text after it. */
enum { RECORD_LIMIT = 64 * 1024, JSON_SHARE = 44 * 1024, PATIENCE_MS = 50 };
/* A path in which every byte is shown as one, and what is said of it. */
enum { LOG_MESSAGE_LIMIT = 5000 };

/* child: constant */
static const struct settings *config;
static const char *(*cpu_stacks_source)(void);

static struct event_start start; /* child: kept, cpu_stacks is asked each time */
static bool introduced;

/* All below is used under the lock of report/ only. */
static char record[RECORD_LIMIT]; /* child: scratch */
static uint64_t last_seq;         /* child: kept, counts_begun says that it counts */
static uint64_t reported_dropped; /* drops that a record has reported; child: kept, likewise */
static uint64_t held_back_now;  /* reports held back since the last record; child: kept, likewise */
static struct rate_limit limit; /* child: kept, counts_begun says that it counts */
static struct summary summary;  /* child: kept, counts_begun says that it counts */
static bool counts_begun; /* at the first record: a process that has none touches none of them */
/* Signals stay away while the lock is held: a handler that jumps out, or a cancellation, would
 * leave it taken for ever. */
static uint64_t signals_before; /* child: scratch */

void recorder_prepare(const struct settings *chosen, const char *argv0, const char *script,
                      const char *(*cpu_stacks)(void))
{
    config = chosen;
    cpu_stacks_source = cpu_stacks;
    event_compact_begin(chosen->number[SETTING_STACK_FORMAT] == STACK_COMPACT);
    start.argv0 = argv0;
    start.script = script;
    start.settings = chosen;
}

void recorder_found(const char *no_stdio, const char *python, const char *javascript)
{
    start.no_stdio = no_stdio;
    start.python = python;
    start.javascript = javascript;
}

void recorder_begin_in_child(void)
{
    introduced = false;
    counts_begun = false;
    event_compact_begin(event_compact());
}

bool recorder_is_json(void)
{
    return config->number[SETTING_FORMAT] == FORMAT_JSON;
}

bool recorder_is_for_journal(void)
{
    return strcmp(config->text[SETTING_LOG], "journal") == 0;
}

struct summary *recorder_counts(void)
{
    return counts_begun ? &summary : NULL;
}

static void begin_counts(void)
{
    last_seq = 0;
    reported_dropped = 0;
    held_back_now = 0;
    counts_begun = true;
    rate_limit_begin(&limit, config->number[SETTING_RATE], config->number[SETTING_REPEAT]);
    summary_begin(&summary);
}

void recorder_settings_changed(void)
{
    bool compact = config->number[SETTING_STACK_FORMAT] == STACK_COMPACT;
    rate_limit_change(&limit, config->number[SETTING_RATE], config->number[SETTING_REPEAT]);
    if (compact != event_compact())
        event_compact_begin(compact);
}

bool recorder_lock_within(unsigned patience_ms)
{
    const uint64_t all = ~0ULL;
    uint64_t before = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    if (life_reporting_begin(patience_ms)) {
        signals_before = before;
        return true;
    }
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    return false;
}

bool recorder_lock(void)
{
    if (!rights_hold())
        return false;
    if (!recorder_lock_within(PATIENCE_MS)) {
        log_count_lost();
        return false;
    }
    if (!counts_begun)
        begin_counts();
    return true;
}

void recorder_unlock(void)
{
    recorder_trouble();
    uint64_t before = signals_before;
    life_reporting_end();
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
}

/* Unless a title was written over the arguments (setproctitle), where the name stands. */
static const char *own_script(void)
{
    const char *script = start.script;
    bool whole = script && script[0] && (script[-1] == '/' || script[-1] == '\0');
    return whole ? script : NULL;
}

void recorder_fill_head(struct event *event, uint64_t seq, char *thread)
{
    struct event_head *head = &event->head;
    head->seq = seq;
    head->time_ns = clock_realtime_ns();
    head->pid = (int)raw_syscall(SYS_getpid);
    head->executable = executable_path();
    head->script = own_script();
    if (head->tid == 0)
        head->tid = head->pid;
    if (!head->thread) {
        task_name(head->tid, thread, COMM_LIMIT + 1);
        head->thread = thread;
    }
}

bool recorder_has_page(void)
{
    int pid = atomic_load(&life->pid);
    if (pid == 0)
        return false;
    if (status_page_pid() != pid)
        status_page_begin(pid, clock_monotonic_ns());
    return true;
}

static bool is_watchdog(void)
{
    return raw_syscall(SYS_gettid) == atomic_load(&life->watchdog_tid);
}

static size_t json_limit(enum log_form form)
{
    return event_compact() ? COMPACT_LIMIT + 1 : form == LOG_FIELDS ? JSON_SHARE : sizeof record;
}

/* The journal gets both: the line of JSON as a field, and after it the text. */
static void render(struct event *event, enum log_form form, struct text_buffer *text)
{
    text_init(text, record, json_limit(form));
    if (form == LOG_FIELDS) {
        event_render(&event_format_json, text, event);
        text->capacity = event_compact() ? text->length + COMPACT_LIMIT : sizeof record;
        event_render(&event_format_text, text, event);
    } else {
        event_render(recorder_is_json() ? &event_format_json : &event_format_text, text, event);
    }
}

/* A text that was cut ends with its last whole line. */
static void end_line(struct text_buffer *text)
{
    size_t length = text->length;
    while (length > 0 && text->data[length - 1] != '\n')
        length--;
    if (length == 0) {
        text->data[text->length - 1] = '\n';
        return;
    }
    text->length = length;
    text->data[length] = '\0';
}

/* As the log's target wants it. */
static void wrap(const struct event *event, enum log_form form, struct text_buffer *text)
{
    static char fields[RECORD_LIMIT + 4096]; /* child: scratch */
    static struct journal_facts facts;       /* child: scratch */
    struct text_buffer lines = *text;
    if (form == LOG_FIELDS) { /* the last of them has its size before it */
        text_init(text, fields, sizeof fields);
        journal_facts_of(event, &facts);
        journal_record(text, event_name(event), event->head.seq, &facts, lines.data, lines.length);
        return;
    }
    if (form == LOG_PRIORITIES)
        journal_prefix_lines(text, journal_priority(event_name(event)));
    if (text->truncated)
        end_line(text);
}

bool recorder_write_by(recorder_writer *write, struct event *event)
{
    struct text_buffer text;
    char thread[COMM_LIMIT + 1];
    enum log_form form = log_form();
    if (form != LOG_FIELDS && !recorder_is_json() && event_text_leaves_out(event)) {
        event->head.seq = ++last_seq;
        return true;
    }
    recorder_fill_head(event, ++last_seq, thread);
    event->head.dropped = log_dropped() - reported_dropped;
    event->head.suppressed = held_back_now;
    render(event, form, &text);
    wrap(event, form, &text);
    event->head.thread = NULL;
    uint64_t dropped = log_dropped();
    bool written = write(text.data, text.length, is_watchdog());
    event_compact_written(written);
    if (!written)
        return false;
    reported_dropped = dropped;
    held_back_now = 0;
    return true;
}

bool recorder_write(struct event *event)
{
    return recorder_write_by(log_record, event);
}

/* It is of the process, whichever thread comes to write it. */
void recorder_introduce_by(recorder_writer *write)
{
    if (introduced)
        return;
    introduced = true;
    start.host = log_host();
    start.cpu_stacks = cpu_stacks_source();
    struct event event = {.kind = EVENT_START, .start = &start};
    recorder_write_by(write, &event);
}

void recorder_introduce(void)
{
    recorder_introduce_by(log_record);
}

bool recorder_warn(const char *message)
{
    struct event event = {
        .kind = EVENT_WARNING, .head.tid = (int)raw_syscall(SYS_gettid), .message = message};
    return recorder_write(&event);
}

/* No record of the log, which has its numbers without a gap when there is room in it. */
static void say_on_stderr(const char *message)
{
    char thread[COMM_LIMIT + 1];
    struct event event = {.kind = EVENT_WARNING, .message = message}; /* of the process */
    struct text_buffer text;
    recorder_fill_head(&event, last_seq, thread);
    text_init(&text, record, sizeof record);
    event_render(&event_format_text, &text, &event);
    log_refusal_is_told(text.data, text.length, is_watchdog());
}

bool recorder_trouble(void)
{
    static char message[LOG_MESSAGE_LIMIT]; /* child: scratch */
    struct text_buffer text;
    text_init(&text, message, sizeof message);
    bool refused = log_refusal(&text);
    if (refused)
        say_on_stderr(message);
    text_init(&text, message, sizeof message);
    bool trouble = log_trouble(&text);
    if (trouble)
        recorder_warn(message);
    return trouble || refused;
}

bool recorder_take(uint64_t now)
{
    if (rate_limit_take(&limit, now))
        return true;
    summary.held_back++;
    held_back_now++;
    return false;
}

bool recorder_holds_back(const struct incident *incident, uint64_t now)
{
    if (suppress_match(incident, event_class_name(incident->class))) {
        summary.suppressed++;
        return true;
    }
    return !recorder_take(now);
}

bool recorder_shows_stack(const struct incident *incident, uint64_t now)
{
    return rate_limit_show_stack(&limit, incident->stack_hash, now);
}
