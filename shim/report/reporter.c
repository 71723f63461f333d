// SPDX-License-Identifier: MIT
#include "report/reporter.h"

#include <string.h>

#include "base/clock.h"
#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "base/script_name.h"
#include "drain/drain.h"
#include "kernel/rights.h"
#include "process/executable.h"
#include "process/life.h"
#include "report/log.h"
#include "report/log_path.h"
#include "report/log_writer.h"
#include "report/recorder.h"
#include "report/status_page.h"
#include "report/suppress.h"

enum { COMPLAINTS_LIMIT = 8192, PAGE_EVERY_MS = 250 };

static struct settings *config; /* child: constant */
static bool has_defaults;       /* nothing is set, and nothing was read; child: constant */
static bool name_is_open;       /* report_prepare() must ask for the name; child: constant */
static const struct report_sources *sources; /* child: constant */
static uint64_t begun_ns;
static bool noticed; /* see report_notice() */

/* child: constant */
static char complaints[COMPLAINTS_LIMIT]; /* NUL-terminated lines, one after the other */
static size_t complaints_used;

static void keep_complaint(const char *line, void *context)
{
    (void)context;
    size_t size = strlen(line) + 1;
    if (size > sizeof complaints - complaints_used)
        return;
    memcpy(complaints + complaints_used, line, size);
    complaints_used += size;
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
    config = into;
    has_defaults = !secure && !settings_are_given(environment);
    if (has_defaults)
        return true;
    bool asked = !secure && settings_ask_for_names(environment);
    if (asked)
        names = names_of(arguments, executable_name_at_start(arguments));
    settings_read(into, environment, &names, secure, keep_complaint, NULL);
    name_is_open = asked && !names.executable;
    return settings_are_active(into) || name_is_open;
}

/* An absolute name, or what takes nothing before the first report. In JSON a file for each process
 * only: in one for all each has its summary. */
static bool log_can_wait(const char *where)
{
    bool json = config->number[SETTING_FORMAT] == FORMAT_JSON;
    if (strcmp(where, "stderr") == 0 || strcmp(where, "syslog") == 0)
        return !json;
    if (json && !log_path_has_pid(where))
        return false;
    return *where == '/' && strncmp(where, "/dev/", 5) != 0 && strncmp(where, "/proc/", 6) != 0;
}

bool report_has_defaults(void)
{
    return has_defaults;
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
    if (has_defaults) {
        struct program_names nameless = {NULL, NULL, NULL};
        settings_read(into, NULL, &nameless, false, keep_complaint, NULL);
    }
    has_defaults = false;
    if (name_is_open) {
        struct program_names names = names_of(arguments, executable_name());
        complaints_used = 0;
        settings_read(into, environment, &names, false, keep_complaint, NULL);
    }
    if (!settings_are_active(into))
        return false;
    recorder_prepare(into, arguments[0] ? arguments[0] : "", names_of(arguments, NULL).script,
                     from->cpu_stacks);
    log_prepare(into->text[SETTING_LOG], executable_name, environment);
    begun_ns = clock_monotonic_ns();
    if (into->text[SETTING_SUPPRESS][0])
        suppress_load(into->text[SETTING_SUPPRESS], keep_complaint, NULL);
    return true;
}

/* A process with nothing to tell leaves no file. */
static void announce(void)
{
    if (!recorder_is_json() || recorder_is_for_journal() || !recorder_lock())
        return;
    recorder_introduce_by(config->number[SETTING_SUMMARY] == SUMMARY_ALWAYS ? log_record
                                                                            : log_keep);
    recorder_unlock();
}

void report_start(const char *no_stdio, const char *python, const char *javascript)
{
    recorder_found(no_stdio, python, javascript);
    announce();
    for (size_t at = 0; at < complaints_used; at += strlen(complaints + at) + 1)
        report_line(complaints + at);
}

void report_begin_in_child(void)
{
    recorder_begin_in_child();
    log_begin_in_child();
    begun_ns = clock_monotonic_ns();
    noticed = false;
    announce();
}

bool report_line(const char *message)
{
    if (!recorder_lock())
        return false;
    bool written = recorder_warn(message);
    recorder_unlock();
    return written;
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

static void refresh_page(bool has_loops, uint64_t watchdog_cpu_ns)
{
    static struct loop_statistics loops[LAG_LOOP_LIMIT]; /* child: scratch */
    static struct status_drain drains[STATUS_DRAINS];    /* child: scratch */
    struct status_stream streams[STATUS_STREAMS];
    struct lag_absence absence;
    struct summary *counts = recorder_counts();
    if (!recorder_has_page())
        return;
    if (counts) {
        counts->watchdog_cpu_ns = watchdog_cpu_ns;
        counts->dropped = log_dropped();
        if (drain_enabled)
            counts->drain = drain_totals();
    }
    status_page_refresh(counts, watchdog_cpu_ns, clock_monotonic_ns());
    if (has_loops) {
        status_page_loops(loops, sources->loops(loops, LAG_LOOP_LIMIT));
        status_page_away(sources->away(&absence) ? &absence : NULL);
    }
    if (sources->streams(streams))
        status_page_streams(streams);
    if (drain_enabled)
        status_page_drains(drains, sources->drains(drains, STATUS_DRAINS));
}

uint64_t report_periodic(uint64_t now, bool has_loops)
{
    static uint64_t page_due; /* child: kept, its page is begun anew by its own */
    bool urges = log_urges();
    bool refreshes = now >= page_due || status_page_pid() != atomic_load(&life->pid);
    uint64_t next = urges ? now + NS_PER_S : UINT64_MAX;
    if (!urges && !refreshes)
        return next;
    /* Nothing is lost if another thread is at it: there is a next time. */
    if (((urges || log_keeps()) && !rights_hold()) || !recorder_lock_within(0))
        return next;
    if (refreshes) {
        refresh_page(has_loops, clock_read_ns(CLOCK_THREAD_CPUTIME_ID));
        page_due = now + PAGE_EVERY_MS * (uint64_t)NS_PER_MS;
    }
    if (log_keeps() && is_worth_a_file(has_loops))
        log_release(true);
    else
        log_flush(true);
    recorder_unlock();
    return next;
}

static bool summary_is_wanted(void)
{
    switch (config->number[SETTING_SUMMARY]) {
    case SUMMARY_OFF:
        return false;
    case SUMMARY_ALWAYS:
        return true;
    default:
        if (!recorder_is_json() || recorder_is_for_journal())
            return recorder_counts()->reports > 0;
        return noticed || !log_keeps() || log_is_shared();
    }
}

static void write_summary(void)
{
    struct summary *counts = recorder_counts();
    struct event event = {
        .kind = EVENT_SUMMARY, .head.tid = (int)raw_syscall(SYS_gettid), .summary = counts};
    counts->run_ns = clock_monotonic_ns() - begun_ns;
    counts->dropped = log_dropped();
    counts->drain_on = drain_enabled;
    counts->drain = drain_totals();
    counts->loop_count = sources->loops(counts->loops, LAG_LOOP_LIMIT);
    counts->looks = sources->looks();
    counts->rescue_count = sources->rescues(counts->rescues, SUMMARY_RESCUES);
    recorder_write(&event);
}

void report_finish(uint64_t deadline)
{
    bool silent = !recorder_counts() && config->number[SETTING_SUMMARY] != SUMMARY_ALWAYS;
    if (silent || !recorder_lock())
        return;
    if (summary_is_wanted())
        write_summary();
    log_finish(deadline);
    if (recorder_trouble())
        log_finish(deadline);
    recorder_unlock();
}

static void write_rest(void *deadline_ns)
{
    enum { PATIENCE_MS = 50 };
    uint64_t deadline = *(const uint64_t *)deadline_ns;
    if (!rights_hold() || !recorder_lock_within(PATIENCE_MS)) {
        log_writer_wait(deadline);
        return;
    }
    log_finish(deadline); /* a writer that leaves does not take what was added last */
    recorder_unlock();
}

void report_before_exec(uint64_t deadline)
{
    if (log_urges())
        on_other_stack(write_rest, &deadline); /* an exec in a signal handler comes this way */
}
