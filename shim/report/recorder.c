// SPDX-License-Identifier: MIT
#include "report/recorder.h"

#include <signal.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/rights.h"
#include "kernel/task.h"
#include "process/executable.h"
#include "process/life.h"
#include "report/log.h"
#include "report/rate_limit.h"
#include "report/status_page.h"
#include "report/suppress.h"

enum { RECORD_LIMIT = 64 * 1024, PATIENCE_MS = 50 };
/* A path in which every byte is shown as one, and what is said of it. */
enum { LOG_MESSAGE_LIMIT = 5000 };

/* child: constant */
static const struct settings *config;
static const struct event_format *format;
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

void recorder_prepare(const struct settings *chosen, const char *argv0,
                      const char *(*cpu_stacks)(void))
{
    config = chosen;
    cpu_stacks_source = cpu_stacks;
    format = recorder_is_json() ? &event_format_json : &event_format_text;
    start.argv0 = argv0;
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
}

bool recorder_is_json(void)
{
    return config->number[SETTING_FORMAT] == FORMAT_JSON;
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

void recorder_fill_head(struct event *event, uint64_t seq, char *thread)
{
    struct event_head *head = &event->head;
    head->seq = seq;
    head->time_ns = clock_realtime_ns();
    head->pid = (int)raw_syscall(SYS_getpid);
    head->executable = executable_path();
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

bool recorder_write_by(recorder_writer *write, struct event *event)
{
    struct text_buffer text;
    char thread[COMM_LIMIT + 1];
    text_init(&text, record, sizeof record);
    recorder_fill_head(event, ++last_seq, thread);
    event->head.dropped = log_dropped() - reported_dropped;
    event->head.suppressed = held_back_now;
    event_render(format, &text, event);
    event->head.thread = NULL;
    uint64_t dropped = log_dropped();
    if (!write(text.data, text.length, is_watchdog()))
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

bool recorder_trouble(void)
{
    static char message[LOG_MESSAGE_LIMIT]; /* child: scratch */
    struct text_buffer text;
    text_init(&text, message, sizeof message);
    bool trouble = log_trouble(&text);
    if (trouble)
        recorder_warn(message);
    return trouble;
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
