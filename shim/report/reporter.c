// SPDX-License-Identifier: MIT
#include "report/reporter.h"

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/script_name.h"
#include "drain/drain.h"
#include "kernel/rights.h"
#include "kernel/task.h"
#include "process/executable.h"
#include "process/life.h"
#include "report/event.h"
#include "report/event_json_compact.h"
#include "report/event_json_parts.h"
#include "report/journal_record.h"
#include "report/log.h"
#include "report/rate_limit.h"
#include "report/status_page.h"
#include "report/suppress.h"

/* JSON_SHARE: of a record that has the text behind it. */
enum {
    RECORD_LIMIT = 64 * 1024,
    JSON_SHARE = 44 * 1024,
    COMPLAINTS_LIMIT = 8192,
    PATIENCE_MS = 50
};
/* A path in which every byte is shown as one, and what is said of it. */
enum { LOG_MESSAGE_LIMIT = 5000 };

/* child: constant */
/* A call that goes on is reported again at ten times its threshold, then at each doubling, up to
 * once an hour. */
enum { STILL_AFTER_THRESHOLDS = 10 };
#define LONGEST_STILL_NS ((uint64_t)3600 * NS_PER_S)

static struct settings *config;
static bool name_is_open; /* report_prepare() must ask for the name; child: constant */
static const struct report_sources *sources; /* child: constant */
static struct event_start start;             /* child: kept, cpu_stacks is asked each time */
static bool start_reported;

/* All below is used under the lock of report/ only. */
static char record[RECORD_LIMIT]; /* child: scratch */
static uint64_t last_seq;         /* child: kept, counts_begun says that it counts */
static uint64_t reported_dropped; /* drops that a record has reported; child: kept, likewise */
static uint64_t held_back_now;  /* reports held back since the last record; child: kept, likewise */
static struct rate_limit limit; /* child: kept, counts_begun says that it counts */
static struct summary summary;  /* child: kept, counts_begun says that it counts */
static enum log_form form;      /* of the record; child: scratch */
static struct journal_facts
    reported_facts;                /* what the journal gets of it as fields; child: scratch */
static const char *reported_event; /* its name; child: scratch */
static uint64_t begun_ns;
static bool noticed;      /* see report_notice() */
static bool counts_begun; /* at the first record: a process that has none touches none of them */

/* child: constant */
static char complaints[COMPLAINTS_LIMIT]; /* NUL-terminated lines, one behind the other */
static size_t complaints_used;

static bool is_json(void)
{
    return config->number[SETTING_FORMAT] == FORMAT_JSON;
}

/* The journal gets both: the line of JSON as a field, and behind it the text. */
static bool writes_json(void)
{
    return form == LOG_FIELDS || is_json();
}

static bool writes_text(struct text_buffer *text)
{
    if (form == LOG_FIELDS)
        text->capacity = event_compact() ? text->length + COMPACT_LIMIT : sizeof record;
    return form == LOG_FIELDS || !is_json();
}

static bool is_for_journal(void)
{
    return strcmp(config->text[SETTING_LOG], "journal") == 0;
}

static void keep_complaint(const char *line, void *context)
{
    (void)context;
    size_t size = strlen(line) + 1;
    if (size > sizeof complaints - complaints_used)
        return;
    memcpy(complaints + complaints_used, line, size);
    complaints_used += size;
}

static void begin_counts(void)
{
    last_seq = 0;
    reported_dropped = 0;
    held_back_now = 0;
    counts_begun = true;
    rate_limit_begin(&limit, config->number[SETTING_RATE], config->number[SETTING_REPEAT]);
    summary_begin(&summary);
    noticed = false;
}

static const char *next_argument(void *context)
{
    char *const **at = context;
    return **at ? *(*at)++ : NULL;
}

static struct program_names names_of(char *const *arguments, const char *name)
{
    char *const *at = arguments;
    struct program_names names = {.executable = name};
    const char *script = script_argument(next_argument, &at);
    if (arguments[0])
        names.invoked = path_last_part(arguments[0]);
    if (script)
        names.script = path_last_part(script);
    return names;
}

bool report_read_settings(char *const *arguments, char *const *environment, bool secure,
                          struct settings *into)
{
    struct program_names names = {NULL, NULL, NULL};
    bool asked = !secure && settings_ask_for_names(environment);
    config = into;
    if (asked)
        names = names_of(arguments, executable_name_at_start(arguments));
    settings_read(into, environment, &names, secure, keep_complaint, NULL);
    name_is_open = asked && !names.executable;
    return settings_are_active(into) || name_is_open;
}

/* A file of one's own by an absolute name, or (in text) what takes nothing before the first report.
 */
static bool log_can_wait(const char *where)
{
    if (strcmp(where, "stderr") == 0 || strcmp(where, "syslog") == 0)
        return !is_json();
    return *where == '/' && strncmp(where, "/dev/", 5) != 0 && strncmp(where, "/proc/", 6) != 0;
}

bool report_wants_the_start(void)
{
    return name_is_open || complaints_used > 0 || config->text[SETTING_SUPPRESS][0] ||
           config->number[SETTING_SUMMARY] == SUMMARY_ALWAYS ||
           !log_can_wait(config->text[SETTING_LOG]);
}

bool report_prepare(char *const *arguments, char *const *environment,
                    const struct report_sources *from)
{
    struct settings *into = config;
    sources = from;
    if (name_is_open) {
        struct program_names names = names_of(arguments, executable_name());
        complaints_used = 0;
        settings_read(into, environment, &names, false, keep_complaint, NULL);
    }
    if (!settings_are_active(into))
        return false;
    start.argv0 = arguments[0] ? arguments[0] : "";
    start.settings = into;
    event_compact_begin(into->number[SETTING_STACK_FORMAT] == STACK_COMPACT);
    log_prepare(into->text[SETTING_LOG], executable_name, environment);
    begun_ns = clock_monotonic_ns();
    if (into->text[SETTING_SUPPRESS][0])
        suppress_load(into->text[SETTING_SUPPRESS], keep_complaint, NULL);
    for (size_t at = 0; at < complaints_used; at += strlen(complaints + at) + 1)
        report_line(complaints + at);
    return true;
}

/* Signals stay away while the lock is held: a handler that jumps out, or a cancellation, would
 * leave it taken for ever. */
static uint64_t signals_before; /* child: scratch */

static bool begin_report_within(unsigned patience_ms)
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

/* False: nothing can be reported now. Another thread that is at it for so long counts as a record
 * that is dropped; a watchdog that has to leave, and another one will tell, does not. */
static bool begin_report(void)
{
    if (!rights_hold())
        return false;
    if (!begin_report_within(PATIENCE_MS)) {
        log_count_lost();
        return false;
    }
    if (!counts_begun)
        begin_counts();
    return true;
}

/* The page is begun by the watchdog's first scan, and by a forked child's. */
static bool have_page(void)
{
    int pid = atomic_load(&life->pid);
    if (pid == 0)
        return false;
    if (status_page_pid() != pid)
        status_page_begin(pid, clock_monotonic_ns());
    return true;
}

/* Of an event for somebody else than the log. */
static void head_of(struct event_head *head, const char *event, uint64_t seq, int tid,
                    const char *thread)
{
    *head = (struct event_head){
        .event = event,
        .seq = seq,
        .time_ns = clock_realtime_ns(),
        .pid = (int)raw_syscall(SYS_getpid),
        .tid = tid,
        .executable = executable_path(),
        .thread = thread,
    };
}

static size_t json_limit(void)
{
    return event_compact() ? COMPACT_LIMIT + 1 : form == LOG_FIELDS ? JSON_SHARE : sizeof record;
}

static void begin_record(struct text_buffer *text, struct event_head *head, const char *event,
                         int tid, const char *thread)
{
    form = log_form();
    reported_event = event;
    memset(&reported_facts, 0, sizeof reported_facts);
    text_init(text, record, json_limit());
    *head = (struct event_head){
        .event = event,
        .seq = ++last_seq,
        .time_ns = clock_realtime_ns(),
        .pid = (int)raw_syscall(SYS_getpid),
        .tid = tid,
        .executable = executable_path(),
        .thread = thread,
        .dropped = log_dropped() - reported_dropped,
        .suppressed = held_back_now,
    };
}

static bool is_watchdog(void)
{
    return raw_syscall(SYS_gettid) == atomic_load(&life->watchdog_tid);
}

/* A text that was cut ends with its last whole line. */
static void end_line(struct text_buffer *text)
{
    size_t length = text->length;
    while (length > 0 && text->data[length - 1] != '\n')
        length--;
    if (form == LOG_FIELDS)
        return; /* its last field has its size before it */
    if (length == 0) {
        text->data[text->length - 1] = '\n';
        return;
    }
    text->length = length;
    text->data[length] = '\0';
}

static bool write_record_by(bool (*write)(const char *, size_t, bool),
                            const struct text_buffer *text)
{
    static char fields[RECORD_LIMIT + 4096]; /* child: scratch */
    struct text_buffer whole = *text;
    uint64_t dropped = log_dropped();
    if (form == LOG_FIELDS) {
        text_init(&whole, fields, sizeof fields);
        journal_record(&whole, reported_event, last_seq, &reported_facts, text->data, text->length);
    } else if (form == LOG_PRIORITIES) {
        journal_prefix_lines(&whole, journal_priority(reported_event));
    }
    if (whole.truncated)
        end_line(&whole);
    bool written = write(whole.data, whole.length, is_watchdog());
    event_compact_written(written);
    if (!written)
        return false;
    reported_dropped = dropped;
    held_back_now = 0;
    return true;
}

static bool write_record(const struct text_buffer *text)
{
    return write_record_by(log_record, text);
}

static bool write_warning(const char *message)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    int tid = (int)raw_syscall(SYS_gettid);
    task_name(tid, thread, sizeof thread);
    begin_record(&text, &head, "warning", tid, thread);
    if (writes_json())
        event_json_warning(&text, &head, message);
    if (writes_text(&text))
        event_text_warning(&text, &head, message);
    return write_record(&text);
}

/* True if the log's target turned out to be none. */
static bool report_trouble(void)
{
    static char message[LOG_MESSAGE_LIMIT]; /* child: scratch */
    struct text_buffer text;
    text_init(&text, message, sizeof message);
    bool trouble = log_trouble(&text);
    if (trouble)
        write_warning(message);
    return trouble;
}

static void end_report(void)
{
    report_trouble();
    uint64_t before = signals_before;
    life_reporting_end();
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
}

static void write_start_by(bool (*write)(const char *, size_t, bool))
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    int pid = (int)raw_syscall(SYS_getpid); /* of the process, whichever thread comes to tell it */
    if (start_reported)
        return;
    start_reported = true;
    start.host = log_host();
    start.cpu_stacks = sources->cpu_stacks();
    task_name(pid, thread, sizeof thread);
    begin_record(&text, &head, "start", pid, thread);
    if (writes_json())
        event_json_start(&text, &head, &start);
    if (writes_text(&text))
        event_text_start(&text, &head, &start);
    write_record_by(write, &text);
}

static void write_start(void)
{
    write_start_by(log_record);
}

/* A process with nothing to tell leaves no file. */
static void announce(void)
{
    if (!is_json() || is_for_journal() || !begin_report())
        return;
    write_start_by(config->number[SETTING_SUMMARY] == SUMMARY_ALWAYS ? log_record : log_keep);
    end_report();
}

void report_start(const char *no_stdio, const char *python, const char *javascript)
{
    start.python = python;
    start.javascript = javascript;
    start.no_stdio = no_stdio;
    announce();
}

void report_begin_in_child(void)
{
    start_reported = false;
    log_begin_in_child();
    event_compact_begin(event_compact());
    begun_ns = clock_monotonic_ns();
    counts_begun = false;
    noticed = false;
    announce();
}

bool report_line(const char *message)
{
    if (!begin_report())
        return false;
    bool written = write_warning(message);
    end_report();
    return written;
}

/* True if a rule or the rate keeps the report back. */
static bool is_held_back(const struct incident *incident, uint64_t now)
{
    if (suppress_match(incident, event_class_name(incident->class))) {
        summary.suppressed++;
        return true;
    }
    if (rate_limit_take(&limit, now))
        return false;
    summary.held_back++;
    held_back_now++;
    return true;
}

struct report_ref report_blocked(const struct incident *incident)
{
    struct text_buffer text;
    struct event_head head;
    struct report_ref report = {.site = SITE_NONE};
    uint64_t now = clock_monotonic_ns();
    if (!begin_report())
        return (struct report_ref){.site = SITE_NONE, .deferred = true};
    report.site = summary_blocked(&summary, incident);
    if (!is_held_back(incident, now)) {
        write_start();
        bool with_stack = rate_limit_show_stack(&limit, incident->stack_hash, now);
        begin_record(&text, &head, "blocked", incident->tid, incident->thread);
        journal_facts_of(incident, &reported_facts);
        report.seq = head.seq;
        report.still_ns = STILL_AFTER_THRESHOLDS * incident->threshold_ns;
        if (writes_json())
            event_json_blocked(&text, &head, incident, with_stack);
        if (writes_text(&text))
            event_text_blocked(&text, &head, incident, with_stack);
        write_record(&text);
    }
    if (have_page())
        status_page_blocked(incident, report.seq, now);
    end_report();
    return report;
}

bool report_still(int tid, struct report_ref *report, uint64_t blocked_ns)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    if (!begin_report())
        return false;
    task_name(tid, thread, sizeof thread);
    struct event_unblocked event = {report->seq, blocked_ns, false};
    begin_record(&text, &head, "still", tid, thread);
    if (writes_json())
        event_json_still(&text, &head, &event);
    if (writes_text(&text))
        event_text_still(&text, &head, &event);
    write_record(&text);
    end_report();
    report->still_ns =
        blocked_ns < LONGEST_STILL_NS ? blocked_ns * 2 : blocked_ns + LONGEST_STILL_NS;
    return true;
}

bool report_unblocked(int tid, const struct report_ref *report, uint64_t blocked_ns)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    if (!begin_report())
        return false;
    summary_returned(&summary, report->site, blocked_ns);
    if (have_page())
        status_page_unblocked(tid, blocked_ns);
    if (report->seq != 0) {
        task_name(tid, thread, sizeof thread);
        struct event_unblocked event = {report->seq, blocked_ns, thread[0] == '\0'};
        begin_record(&text, &head, "unblocked", tid, thread);
        if (writes_json())
            event_json_unblocked(&text, &head, &event);
        if (writes_text(&text))
            event_text_unblocked(&text, &head, &event);
        write_record(&text);
    }
    end_report();
    return true;
}

struct report_ref report_lag(const struct incident *incident, const struct lag_facts *facts)
{
    struct text_buffer text;
    struct event_head head;
    struct report_ref report = {.site = SITE_NONE};
    uint64_t now = clock_monotonic_ns();
    if (!begin_report())
        return (struct report_ref){.site = SITE_NONE, .deferred = true};
    if (!is_held_back(incident, now)) {
        write_start();
        summary.reports++;
        bool with_stack = rate_limit_show_stack(&limit, incident->stack_hash, now);
        begin_record(&text, &head, "lag", incident->tid, incident->thread);
        journal_facts_of(incident, &reported_facts);
        report.seq = head.seq;
        if (writes_json())
            event_json_lag(&text, &head, incident, facts, with_stack);
        if (writes_text(&text))
            event_text_lag(&text, &head, incident, facts, with_stack);
        write_record(&text);
    }
    if (have_page())
        status_page_lag(incident->tid, report.seq, now - facts->lag_ns);
    end_report();
    return report;
}

bool report_lag_end(int tid, uint64_t ref, const struct lag_facts *facts)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    if (!begin_report())
        return false;
    if (have_page())
        status_page_lag_end(facts);
    task_name(tid, thread, sizeof thread);
    begin_record(&text, &head, "lag_end", tid, thread);
    if (writes_json())
        event_json_lag_end(&text, &head, ref, facts);
    if (writes_text(&text))
        event_text_lag_end(&text, &head, ref, facts);
    write_record(&text);
    end_report();
    return true;
}

void report_finding_line(const struct wait_finding *finding, uint64_t seq, uint64_t blocked_ns,
                         char *line, size_t size)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    int pid = (int)raw_syscall(SYS_getpid);
    task_name(pid, thread, sizeof thread);
    head_of(&head, finding->kind == FINDING_DEADLOCK ? "deadlock" : "finding", seq, pid, thread);
    text_init(&text, line, size);
    event_json_finding(&text, &head, finding, NULL, blocked_ns);
}

void report_wait_line(const struct status_call *call, uint64_t seq, int tid, uint64_t ns,
                      char *line, size_t size)
{
    struct text_buffer text;
    struct event_head head;
    struct json_writer json;
    char thread[COMM_LIMIT + 1];
    task_name(tid, thread, sizeof thread);
    head_of(&head, call ? "blocked" : "lag", seq, tid, thread);
    text_init(&text, line, size);
    event_json_begin(&json, &text, &head);
    if (call) {
        json_put_string(&json, "call", call->call);
        json_put_string(&json, "class", event_class_name((enum call_class)call->class));
        if (call->fd >= 0)
            json_put_signed(&json, "fd", call->fd);
        json_put_string(&json, "object", call->object);
        if (call->where[0])
            json_put_string(&json, "where", call->where);
    }
    json_put_milliseconds(&json, call ? "blocked_ms" : "lag_ms", ns);
    event_json_end(&json);
}

void report_action(const char *action, uint64_t ref, const char *result, int tid)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    if (!begin_report())
        return;
    task_name(tid, thread, sizeof thread);
    write_start();
    summary.reports++;
    begin_record(&text, &head, "action", tid, thread);
    if (writes_json())
        event_json_action(&text, &head, action, ref, result);
    if (writes_text(&text))
        event_text_action(&text, &head, action, ref, result);
    write_record(&text);
    end_report();
}

bool report_config(const struct setting_change *changes, unsigned count, const char *const *before)
{
    struct text_buffer text;
    struct event_head head;
    struct event_config event = {count, changes, before};
    char thread[COMM_LIMIT + 1];
    int pid = (int)raw_syscall(SYS_getpid);
    if (!begin_report())
        return false;
    rate_limit_change(&limit, config->number[SETTING_RATE], config->number[SETTING_REPEAT]);
    bool compact = config->number[SETTING_STACK_FORMAT] == STACK_COMPACT;
    if (compact != event_compact())
        event_compact_begin(compact);
    task_name(pid, thread, sizeof thread);
    write_start();
    summary.reports++;
    begin_record(&text, &head, "config", pid, thread);
    if (writes_json())
        event_json_config(&text, &head, &event);
    if (writes_text(&text))
        event_text_config(&text, &head, &event);
    write_record(&text);
    end_report();
    return true;
}

bool report_finding_over(int tid)
{
    if (!begin_report_within(PATIENCE_MS))
        return false;
    if (have_page())
        status_page_finding_over(tid);
    end_report();
    return true;
}

static void note_own_member(const struct wait_finding *finding, const struct member *members,
                            int pid, uint64_t blocked_ns)
{
    reported_facts.blocked_ns = blocked_ns;
    for (unsigned i = 0; i < finding->count; i++) {
        if (finding->chain[i].pid != pid)
            continue;
        reported_facts.peer_pid = finding->chain[i].for_pid;
        if (members)
            user_frame_place(&reported_facts.place, members[i].python, members[i].python_count,
                             members[i].javascript, members[i].javascript_count, members[i].frames,
                             members[i].frame_count);
        return;
    }
}

uint64_t report_finding(const struct wait_finding *finding, const struct member *members, int tid,
                        uint64_t blocked_ns)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    int pid = (int)raw_syscall(SYS_getpid);
    if (!begin_report())
        return 0;
    task_name(pid, thread, sizeof thread);
    write_start();
    begin_record(&text, &head, finding->kind == FINDING_DEADLOCK ? "deadlock" : "finding", pid,
                 thread);
    note_own_member(finding, members, pid, blocked_ns);
    if (writes_json())
        event_json_finding(&text, &head, finding, members, blocked_ns);
    if (writes_text(&text))
        event_text_finding(&text, &head, finding, members, blocked_ns);
    write_record(&text);
    if (have_page())
        status_page_finding(finding, tid, clock_monotonic_ns());
    end_report();
    return head.seq;
}

void report_filling(int fd, const struct object_facts *object, const struct fill_forecast *forecast)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    int pid = (int)raw_syscall(SYS_getpid);
    if (!begin_report())
        return;
    if (rate_limit_take(&limit, clock_monotonic_ns())) {
        task_name(pid, thread, sizeof thread);
        write_start();
        summary.reports++;
        begin_record(&text, &head, "filling", pid, thread);
        if (writes_json())
            event_json_filling(&text, &head, fd, object, forecast);
        if (writes_text(&text))
            event_text_filling(&text, &head, fd, object, forecast);
        write_record(&text);
    } else {
        summary.held_back++;
        held_back_now++;
    }
    end_report();
}

uint64_t report_drain(const struct drain_facts *facts)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    int pid = (int)raw_syscall(SYS_getpid);
    uint64_t seq = 0;
    if (!begin_report())
        return 0;
    if (facts->ref || rate_limit_take(&limit, clock_monotonic_ns())) {
        task_name(pid, thread, sizeof thread);
        write_start();
        summary.reports += facts->ref == 0;
        begin_record(&text, &head, facts->ref ? "drain_end" : "drain_start", pid, thread);
        seq = head.seq;
        if (writes_json())
            event_json_drain(&text, &head, facts);
        if (writes_text(&text))
            event_text_drain(&text, &head, facts);
        write_record(&text);
    } else {
        summary.held_back++;
        held_back_now++;
    }
    end_report();
    return seq;
}

void report_drain_loss(enum drain_loss what, uint64_t bytes, uint64_t writes)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    int pid = (int)raw_syscall(SYS_getpid);
    if (!begin_report())
        return;
    task_name(pid, thread, sizeof thread);
    write_start();
    summary.reports++;
    begin_record(&text, &head, what == DRAIN_HANDED_OVER ? "drain_handoff" : "drain_drop", pid,
                 thread);
    if (writes_json())
        event_json_drain_loss(&text, &head, what, bytes, writes);
    if (writes_text(&text))
        event_text_drain_loss(&text, &head, what, bytes, writes);
    write_record(&text);
    end_report();
}

void report_drain_wait(const struct drain_wait_facts *facts)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    int pid = (int)raw_syscall(SYS_getpid);
    if (!begin_report())
        return;
    task_name(pid, thread, sizeof thread);
    write_start();
    summary.reports++;
    begin_record(&text, &head, "drain_wait", pid, thread);
    if (writes_json())
        event_json_drain_wait(&text, &head, facts);
    if (writes_text(&text))
        event_text_drain_wait(&text, &head, facts);
    write_record(&text);
    end_report();
}

void report_drain_spool(const struct drain_spool_facts *facts)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    int pid = (int)raw_syscall(SYS_getpid);
    if (!begin_report())
        return;
    task_name(pid, thread, sizeof thread);
    write_start();
    summary.reports++;
    begin_record(&text, &head, "drain_spool", pid, thread);
    if (writes_json())
        event_json_drain_spool(&text, &head, facts);
    if (writes_text(&text))
        event_text_drain_spool(&text, &head, facts);
    write_record(&text);
    end_report();
}

void report_notice(void)
{
    noticed = true;
}

/* Not of a short-lived command, nor of a shell that waits for one. */
static bool is_worth_a_file(bool has_loops)
{
    uint64_t watched = clock_monotonic_ns() - begun_ns;
    return noticed || watched >= (has_loops ? 1 : 10) * (uint64_t)NS_PER_S;
}

static void refresh_page(bool has_loops)
{
    static struct loop_statistics loops[LAG_LOOP_LIMIT]; /* child: scratch */
    static struct status_drain drains[STATUS_DRAINS];    /* child: scratch */
    struct status_stream streams[STATUS_STREAMS];
    if (!have_page())
        return;
    if (counts_begun) {
        summary.dropped = log_dropped();
        if (drain_enabled)
            summary.drain = drain_totals();
    }
    status_page_refresh(counts_begun ? &summary : NULL, summary.watchdog_cpu_ns,
                        clock_monotonic_ns());
    if (has_loops)
        status_page_loops(loops, sources->loops(loops, LAG_LOOP_LIMIT));
    if (sources->streams(streams))
        status_page_streams(streams);
    if (drain_enabled)
        status_page_drains(drains, sources->drains(drains, STATUS_DRAINS));
}

void report_periodic(bool has_loops)
{
    summary.watchdog_cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    /* Nothing is lost if another thread is at it: there is a next time. */
    if (!rights_hold() || !begin_report_within(0))
        return;
    refresh_page(has_loops);
    if (log_keeps() && is_worth_a_file(has_loops))
        log_release(true);
    else
        log_flush(true);
    end_report();
}

static bool summary_is_wanted(void)
{
    switch (config->number[SETTING_SUMMARY]) {
    case SUMMARY_OFF:
        return false;
    case SUMMARY_ALWAYS:
        return true;
    default:
        return is_json() && !is_for_journal() ? noticed || !log_keeps() : summary.reports > 0;
    }
}

static void write_summary(void)
{
    struct text_buffer text;
    struct event_head head;
    char thread[COMM_LIMIT + 1];
    int tid = (int)raw_syscall(SYS_gettid);
    summary.run_ns = clock_monotonic_ns() - begun_ns;
    summary.dropped = log_dropped();
    summary.drain_on = drain_enabled;
    summary.drain = drain_totals();
    summary.loop_count = sources->loops(summary.loops, LAG_LOOP_LIMIT);
    summary.rescue_count = sources->rescues(summary.rescues, SUMMARY_RESCUES);
    task_name(tid, thread, sizeof thread);
    begin_record(&text, &head, "summary", tid, thread);
    if (writes_json())
        event_json_summary(&text, &head, &summary);
    if (writes_text(&text))
        event_text_summary(&text, &head, &summary);
    write_record(&text);
}

void report_finish(uint64_t deadline)
{
    bool silent = !counts_begun && config->number[SETTING_SUMMARY] != SUMMARY_ALWAYS;
    if (silent || !begin_report())
        return;
    if (summary_is_wanted())
        write_summary();
    log_finish(deadline);
    if (report_trouble())
        log_finish(deadline);
    end_report();
}
