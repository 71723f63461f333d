// SPDX-License-Identifier: MIT
#include "watch/action.h"

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "config/parse.h"
#include "kernel/rights.h"
#include "kernel/status.h"
#include "process/life.h"
#include "report/reporter.h"
#include "report/status_page.h"
#include "watch/action_command.h"
#include "watch/action_drain.h"
#include "watch/disturbance.h"

enum {
    TERM_PATIENCE_S = 10,
    TRACED_RETRY_S = 1,
};

static int owner; /* whose the rest is */
static uint64_t done;
static struct disturbance disturbance;
static uint64_t kill_at; /* SIGTERM was sent; 0: it was not */
static uint64_t command_ref;
static int command_tid;

static enum action action(void)
{
    return (enum action)settings.number[SETTING_ACTION];
}

static int own_pid(void)
{
    return atomic_load(&life->pid);
}

void action_begin(void)
{
    owner = own_pid();
    done = 0;
    kill_at = 0;
    command_ref = 0;
    command_tid = 0;
    disturbance = (struct disturbance){0};
    action_command_begin();
}

static bool may_act(void)
{
    if (owner != own_pid())
        action_begin();
    return action() != ACTION_LOG && done < settings.number[SETTING_ACTION_MAX];
}

bool action_wanted(enum finding_kind kind)
{
    return may_act() && parse_list_has(settings.text[SETTING_ACTION_ON], finding_name(kind));
}

static bool is_thread_traced(int pid, int tid)
{
    struct status_field field = {.name = "TracerPid", .base = 10};
    return status_read(pid, tid, &field, 1) && field.value != 0;
}

/* A debugger holds all threads, strace -p perhaps one. */
static bool is_traced(int tid)
{
    return is_thread_traced(0, 0) || is_thread_traced(own_pid(), 0) ||
           (tid != 0 && is_thread_traced(own_pid(), tid));
}

/* `fd`: that the thread waits to write to; -1: none. */
static void act(const char *line, const char *event, uint64_t ref, int tid, int fd)
{
    static const char *const names[] = {
        [ACTION_ABORT] = "abort", [ACTION_TERM] = "term", [ACTION_STOP] = "stop"};
    done++;
    if (action() == ACTION_DRAIN) {
        if (fd < 0)
            report_action("drain", ref, "no write of this process is stuck in it; nothing was done",
                          tid);
        else
            action_drain_begin(fd, tid, ref);
        return;
    }
    if (action() == ACTION_EXEC) {
        command_ref = ref;
        command_tid = tid;
        if (!rights_hold() ||
            !action_command_start(settings.text[SETTING_ACTION] + strlen("exec:"), line, event,
                                  settings.number[SETTING_ACTION_LIMIT]))
            report_action("exec", ref, "no process could be made for it", tid);
        return;
    }
    /* Before: it may be the last that this process says. */
    report_action(names[action()], ref,
                  action() == ACTION_ABORT  ? "SIGABRT is sent to the stuck thread"
                  : action() == ACTION_TERM ? "SIGTERM is sent, SIGKILL follows after 10 s"
                                            : "SIGSTOP is sent",
                  tid);
    if (action() == ACTION_ABORT) {
        raw_syscall(SYS_tgkill, own_pid(), tid ? tid : own_pid(), SIGABRT);
    } else if (action() == ACTION_TERM) {
        kill_at = clock_monotonic_ns() + TERM_PATIENCE_S * (uint64_t)NS_PER_S;
        raw_syscall(SYS_kill, own_pid(), SIGTERM);
    } else {
        raw_syscall(SYS_kill, own_pid(), SIGSTOP);
    }
}

static char line[ACTION_LINE_LIMIT]; /* child: scratch */

/* The descriptor that a thread of this process waits to write to, in a link of the chain; -1. */
static int own_stuck_fd(const struct wait_finding *finding)
{
    for (unsigned i = 0; i < finding->count; i++)
        if (finding->chain[i].pid == own_pid() && finding->chain[i].reason == REASON_SPACE)
            return finding->chain[i].own_fd;
    return -1;
}

bool action_on_finding(const struct wait_finding *finding, uint64_t ref, int tid,
                       uint64_t blocked_ns)
{
    if (!action_wanted(finding->kind))
        return true;
    if (is_traced(tid))
        return false;
    report_finding_line(finding, ref, blocked_ns, line, sizeof line);
    act(line, finding->kind == FINDING_DEADLOCK ? "deadlock" : finding_name(finding->kind), ref,
        tid, own_stuck_fd(finding));
    return true;
}

static void see_disturbances(uint64_t now)
{
    uint64_t monotonic = clock_monotonic_ns(); /* first */
    disturbance_see(&disturbance, now, monotonic, clock_read_ns(CLOCK_BOOTTIME));
}

uint64_t action_due(uint64_t since_ns, uint64_t now)
{
    see_disturbances(now);
    uint64_t since =
        since_ns > disturbance.undisturbed_since ? since_ns : disturbance.undisturbed_since;
    return since + settings.number[SETTING_ACTION_AFTER];
}

static uint64_t act_on_page(uint64_t now)
{
    const struct status_page *page = status_page();
    const char *on = settings.text[SETTING_ACTION_ON];
    uint64_t next = UINT64_MAX;
    const struct status_call *oldest = NULL;
    for (uint32_t i = 0; parse_list_has(on, "blocked") && i < page->call_count; i++)
        if ((action() != ACTION_DRAIN || page->calls[i].class == CLASS_PIPE_WRITE) &&
            (!oldest || page->calls[i].since_ns < oldest->since_ns))
            oldest = &page->calls[i];
    bool lag = parse_list_has(on, "lag") && page->lagging;
    uint64_t since = oldest ? oldest->since_ns : lag ? page->lag_since_ns : 0;
    if (since == 0)
        return UINT64_MAX;
    next = action_due(since, now);
    if (now < next)
        return next;
    if (!rights_hold())
        return UINT64_MAX;
    uint64_t ref = oldest ? oldest->seq : page->lag_seq;
    int tid = oldest ? oldest->tid : page->lag_tid;
    if (is_traced(tid))
        return now + TRACED_RETRY_S * (uint64_t)NS_PER_S;
    report_wait_line(oldest, ref, tid, now - since, line, sizeof line);
    act(line, oldest ? "blocked" : "lag", ref, tid, oldest ? oldest->fd : -1);
    return UINT64_MAX;
}

/* The setting may have changed since: what has begun is reported all the same, and who no longer
 * wants the process to end keeps it. */
static uint64_t poll_action(uint64_t now)
{
    if (action() != ACTION_TERM)
        kill_at = 0;
    if (action() == ACTION_LOG && command_ref == 0)
        return UINT64_MAX;
    bool may = may_act();
    see_disturbances(now);
    const char *result = action_command_result();
    if (result && command_ref != 0)
        report_action("exec", command_ref, result, command_tid);
    if (result)
        command_ref = 0;
    if (kill_at != 0 && now >= kill_at && rights_hold())
        raw_syscall(SYS_kill, own_pid(), SIGKILL);
    uint64_t next = may ? act_on_page(now) : UINT64_MAX;
    if (kill_at != 0 && kill_at < next)
        next = kill_at;
    return next;
}

/* What is drained is so until its reader is back, whatever the setting is now. */
uint64_t action_poll(uint64_t now)
{
    uint64_t next = poll_action(now);
    uint64_t drain_next = action_drain_poll(now);
    return drain_next < next ? drain_next : next;
}
