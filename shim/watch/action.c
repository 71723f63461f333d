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
#include "watch/lag.h"

enum {
    TERM_PATIENCE_S = 10,
    RETRY_S = 1, /* a debugger may leave, a command end */
    ACTED_LIMIT = 64,
};

static int owner; /* whose the rest is */
static uint64_t done;
static struct disturbance disturbance;
static uint64_t kill_at; /* SIGTERM was sent; 0: it was not */
static uint64_t command_ref;
static int command_tid;
static struct acted {
    int tid;
    uint64_t since_ns;
} acted[ACTED_LIMIT]; /* the latest */
static unsigned acted_count;

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
    memset(acted, 0, acted_count < ACTED_LIMIT ? acted_count * sizeof *acted : sizeof acted);
    acted_count = 0;
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
    if (action_command_runs() || is_traced(tid))
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

/* Of what was acted on: nothing is done twice about one wait. */
static bool was_acted_on(int tid, uint64_t since_ns)
{
    for (unsigned i = 0; i < ACTED_LIMIT; i++)
        if (acted[i].tid == tid && acted[i].since_ns == since_ns)
            return true;
    return false;
}

/* A call that is blocked, or a loop that is away. */
struct wait {
    bool is_lag;
    int tid;
    uint64_t since_ns, seq;
    const struct status_call *call; /* of a loop: what holds it; NULL: its own work */
};

static const struct status_call *call_of(int tid)
{
    const struct status_page *page = status_page();
    for (uint32_t i = 0; i < page->call_count; i++)
        if (page->calls[i].tid == tid)
            return &page->calls[i];
    return NULL;
}

static void take_older(struct wait *oldest, const struct wait *other)
{
    if (!was_acted_on(other->tid, other->since_ns) &&
        (oldest->tid == 0 || other->since_ns < oldest->since_ns))
        *oldest = *other;
}

static void take_absence(const struct lag_absence *absence, void *oldest)
{
    const struct wait wait = {.is_lag = true,
                              .tid = absence->tid,
                              .since_ns = absence->since_ns,
                              .seq = absence->seq,
                              .call = call_of(absence->tid)};
    if (wait.call && parse_list_has(settings.text[SETTING_ACTION_ON], "blocked"))
        return; /* the same stall */
    take_older(oldest, &wait);
}

/* Of those that PIPESHIM_ACTION_ON names and the scan that has just been made found to last; a
 * `tid` of 0: there is none. */
static struct wait oldest_wait(void)
{
    struct wait oldest = {0};
    const struct status_page *page = status_page();
    const char *on = settings.text[SETTING_ACTION_ON];
    for (uint32_t i = 0; parse_list_has(on, "blocked") && i < page->call_count; i++) {
        const struct status_call *call = &page->calls[i];
        const struct wait wait = {
            .tid = call->tid, .since_ns = call->since_ns, .seq = call->seq, .call = call};
        if (action() != ACTION_DRAIN || call->class == CLASS_PIPE_WRITE)
            take_older(&oldest, &wait);
    }
    if (parse_list_has(on, "lag"))
        lag_for_each_absence(take_absence, &oldest);
    return oldest;
}

static uint64_t act_on_wait(uint64_t now)
{
    struct wait wait = oldest_wait();
    if (wait.tid == 0)
        return UINT64_MAX;
    uint64_t due = action_due(wait.since_ns, now);
    if (now < due)
        return due;
    if (!rights_hold())
        return UINT64_MAX;
    if (action_command_runs() || is_traced(wait.tid))
        return now + RETRY_S * (uint64_t)NS_PER_S;
    acted[acted_count++ % ACTED_LIMIT] = (struct acted){wait.tid, wait.since_ns};
    report_wait_line(wait.is_lag, wait.call, wait.seq, wait.tid, now - wait.since_ns, line,
                     sizeof line);
    act(line, wait.is_lag ? "lag" : "blocked", wait.seq, wait.tid,
        wait.call && wait.call->class == CLASS_PIPE_WRITE ? wait.call->fd : -1);
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
    uint64_t next = may ? act_on_wait(now) : UINT64_MAX;
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
