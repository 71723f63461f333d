// SPDX-License-Identifier: MIT
#include "watch/deadlock.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/zeroed_memory.h"
#include "graph/finding.h"
#include "graph/wait_graph.h"
#include "kernel/own_threads.h"
#include "kernel/rights.h"
#include "kernel/task.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/action.h"
#include "watch/graph_memory.h"
#include "watch/held_findings.h"
#include "watch/long_waits.h"
#include "watch/look_budget.h"
#include "watch/members.h"
#include "watch/peace.h"
#include "watch/suspicion.h"

enum {
    FINDINGS = 16,
    REPORTED_LIMIT = 64, /* more than FINDINGS: what is found again must be remembered */
};
#define FIRST_PAUSE_NS   ((uint64_t)250 * NS_PER_MS)
#define LONGEST_PAUSE_NS ((uint64_t)60 * NS_PER_S)

static struct graph_memory memory; /* child: kept, it is a mapping */
static struct wait_graph *graph;   /* child: scratch, each scan begins with it */
static struct wait_finding *found; /* FINDINGS; child: kept, it is a mapping */
static uint64_t next_scan;         /* of a stuck write; 0: none is */
static uint64_t pause;             /* between two of these; child: scratch */
static uint64_t
    reported[REPORTED_LIMIT]; /* the latest, by identity; child: kept, reported_count counts */
static unsigned reported_count;
static uint64_t not_before; /* waits that may be in peace are not looked at for what was saved up */
static uint64_t doubts_at;  /* not before, what is held is looked at for its own sake */

void deadlock_begin(void)
{
    suspicion_begin();
    next_scan = 0;
    not_before = doubts_at = 0;
    reported_count = 0;
    held_findings_begin();
    peace_begin();
}

static int own_pid(void)
{
    return atomic_load(&life->pid);
}

static bool is_member(const struct wait_finding *finding, int pid)
{
    for (unsigned i = 0; i < finding->count; i++) {
        if (finding->chain[i].pid == pid)
            return true;
    }
    return false;
}

/* This process waits, and everybody it waits for is stuck: whoever can be named is what it waits
 * for. `likely`: as far as can be seen. */
static bool waits_in_vain(bool likely)
{
    uint32_t own = wait_graph_process(graph, own_pid());
    wait_graph_reduce(graph, likely ? ACT_ALL & ~ACT_LISTENERS : ACT_ALL);
    return own != NO_INDEX && graph->processes[own].loaded && !graph->processes[own].can_act;
}

/* Not one of strangers, whom the scan has met because they hold the same stdout. */
static bool is_waited_for(const struct wait_finding *finding)
{
    uint32_t own = wait_graph_process(graph, own_pid());
    uint32_t member = wait_graph_process(graph, finding->chain[0].pid);
    return own != NO_INDEX && member != NO_INDEX && wait_graph_waits_for(graph, own, member);
}

/* A reader that is away may come back; these do not end as long as nobody interferes. An end that
 * somebody keeps off does not come either where this process waits_in_vain(). */
static bool cannot_end(const struct wait_finding *finding)
{
    return finding->kind == FINDING_DEADLOCK || finding->kind == FINDING_SELF_READER ||
           finding->kind == FINDING_NO_READER || finding->kind == FINDING_READER_STOPPED ||
           finding->kind == FINDING_EOF_NEVER;
}

/* Is it this process that does not read? */
static bool is_awaited(const struct wait_finding *finding)
{
    return (finding->kind == FINDING_READER_AWAY || finding->kind == FINDING_BACKLOG) &&
           finding->chain[0].for_pid == own_pid();
}

static bool is_reported(uint64_t id)
{
    for (unsigned i = 0; i < reported_count && i < REPORTED_LIMIT; i++) {
        if (reported[i] == id)
            return true;
    }
    return false;
}

/* Of a program that comes round to a full pipe the scan finds both. */
static struct wait_finding *backlog_or(struct wait_finding *deadlock, unsigned count)
{
    for (unsigned i = 0; i < count && deadlock->likely; i++) {
        struct wait_finding *backlog = &found[i];
        if (backlog->kind == FINDING_BACKLOG && is_member(deadlock, backlog->chain[0].pid) &&
            suspicion_of_backlog(deadlock, backlog, is_reported(finding_identity(backlog))))
            return backlog;
    }
    return deadlock;
}

/* Told, and it lasts: then whatever else is wrong is to be told as well. */
static bool is_known(const struct wait_finding *finding)
{
    return is_reported(finding_identity(finding)) || held_findings_know(finding);
}

/* What is to be reported here, and was not yet: a cycle that this process is a member of, what is
 * wrong with the other end of its own wait, what keeps from going on whom it waits for, or that it
 * does not read what somebody writes. */
static struct wait_finding *choose(unsigned count)
{
    struct wait_finding *own = NULL, *hopeless = NULL, *unread = NULL;
    bool told = false; /* why it waits in vain */
    for (unsigned i = 0; i < count; i++) {
        bool known = is_known(&found[i]);
        told |= known && !is_awaited(&found[i]);
        if (known)
            continue;
        if (found[i].kind == FINDING_DEADLOCK && is_member(&found[i], own_pid())) {
            struct wait_finding *chosen = backlog_or(&found[i], count);
            if (!is_known(chosen))
                return chosen;
            continue;
        }
        if (!own && found[i].kind != FINDING_DEADLOCK && found[i].chain[0].pid == own_pid())
            own = &found[i];
        if (!unread && is_awaited(&found[i]))
            unread = &found[i];
        if (!hopeless && cannot_end(&found[i]) && is_waited_for(&found[i]))
            hopeless = &found[i];
    }
    if (own)
        return own;
    return hopeless && !told && waits_in_vain(hopeless->likely) ? hopeless : unread;
}

/* Since when what was confirmed now has lasted: its thread `tid` has slept, or the scans have found
 * it. Not since the thread waits in this place, where it may have been served for hours. */
static uint64_t lasts_since(int tid)
{
    uint64_t asleep = tid != 0 ? long_waits_asleep_since(tid) : 0;
    uint64_t found_at = suspicion_since();
    return asleep != 0 && asleep < found_at ? asleep : found_at;
}

/* How long this process's member has waited; 0: it has none. */
static uint64_t own_wait_ns(const struct wait_finding *finding, uint64_t now)
{
    for (unsigned i = 0; i < finding->count; i++)
        if (finding->chain[i].pid == own_pid())
            return now - lasts_since(finding->chain[i].tid);
    return 0;
}

/* The thread of this process that waits because of the finding: a member, or whoever waits for one.
 * 0: not known. */
static int waiting_thread(const struct wait_finding *finding)
{
    int tid = 0;
    for (unsigned i = 0; i < finding->count && tid == 0; i++)
        if (finding->chain[i].pid == own_pid())
            tid = finding->chain[i].tid;
    if (tid == 0)
        tid = long_waits_oldest();
    /* A deadlock that holds a thread is the reason, whatever else that leaves undone. */
    return finding->kind != FINDING_DEADLOCK && held_findings_deadlock(tid) ? 0 : tid;
}

/* Who opens a FIFO may well wait for a reader that comes once an hour: that is told, and no reason
 * to end a program, though no_reader is one by default. */
static bool may_end_by_itself(const struct wait_finding *finding)
{
    return finding->kind == FINDING_NO_READER && finding->likely;
}

static void hold(const struct wait_finding *finding, uint64_t seq, int tid)
{
    const struct held_finding held = {.tid = tid,
                                      .since = lasts_since(tid),
                                      .to_act = is_member(finding, own_pid()) &&
                                                !may_end_by_itself(finding),
                                      .kind = finding->kind,
                                      .id = finding_identity(finding),
                                      .seq = seq,
                                      .first_tid = finding->chain[0].tid,
                                      .first_inode = finding->chain[0].key.inode};
    if (tid != 0)
        held_findings_add(&held);
}

static uint64_t cpu_ns(void)
{
    return clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void pay_since(uint64_t began)
{
    look_budget_spend(clock_monotonic_ns(), cpu_ns() - began);
}

/* A look at all processes. Without memory nothing is found. */
static unsigned examine(void)
{
    if (!found && !(found = zeroed_memory(FINDINGS * sizeof *found)))
        return 0;
    uint64_t began = cpu_ns();
    unsigned count = wait_graph_examine(graph, own_pid(), found, FINDINGS);
    /* On a host with thousands of connections no deadlock would ever be named. */
    while (graph_memory_grow(&memory))
        count = wait_graph_examine(graph, own_pid(), found, FINDINGS);
    pay_since(began);
    return count;
}

/* When to call again; UINT64_MAX: all that is held is as it was found. */
static uint64_t settle_doubts(uint64_t now, uint64_t paid)
{
    if (!held_findings_doubted())
        return UINT64_MAX;
    if (now < doubts_at || now < paid)
        return doubts_at > paid ? doubts_at : paid;
    if (!rights_hold() || !(graph = graph_memory_begin(&memory)))
        return now + SUSPICION_ROUND_NS;
    unsigned count = examine();
    held_findings_look(found, count, now);
    doubts_at = now + SUSPICION_ROUND_NS;
    return held_findings_doubted() ? doubts_at : UINT64_MAX;
}

/* The third look. */
static uint64_t act_when_due(uint64_t now, uint64_t paid)
{
    uint64_t due = held_findings_act_at(now);
    due = due > paid ? due : paid;
    if (now < due || !rights_hold() || !(graph = graph_memory_begin(&memory)))
        return due;
    unsigned count = examine();
    held_findings_act(found, count, now);
    return held_findings_act_at(now);
}

/* What was not reported yet. */
static struct wait_finding *find_new(unsigned *count)
{
    graph = graph_memory_begin(&memory);
    *count = examine();
    return choose(*count);
}

/* Of a thousand threads most have not run since they were last read. That they have not been woken
 * either is not asked at first: it could only let them go on. */
static bool trust_threads(void)
{
    enum { MANY_THREADS = 32 };
    bool many = task_count() >= MANY_THREADS;
    own_threads_trust(many);
    return many;
}

/* One scan of all processes. A suspicion is kept for the scan that confirms it. */
static void scan(uint64_t now)
{
    unsigned count;
    bool trusted = trust_threads();
    struct wait_finding *finding = find_new(&count);
    own_threads_trust(false);
    if (trusted && finding)
        finding = find_new(&count);
    held_findings_look(found, count, now);
    bool confirmed = finding && suspicion_confirmed(finding, now);
    int tid = confirmed ? waiting_thread(finding) : 0;
    uint64_t seq =
        confirmed ? report_finding(finding, members_read(finding), tid, own_wait_ns(finding, now))
                  : 0;
    if (seq != 0) {
        reported[reported_count++ % REPORTED_LIMIT] = finding_identity(finding);
        hold(finding, seq, tid);
        suspicion_begin();
        finding = choose(count); /* the next one, if there is more than one */
        confirmed = false;
    }
    suspicion_keep(finding, confirmed, now);
}

static bool is_at_peace(void)
{
    if (peace_lasts(graph))
        return true;
    peace_expect();
    bool at_peace = wait_graph_is_at_peace(graph, own_pid());
    if (at_peace)
        peace_note(graph);
    return at_peace;
}

/* The waits that may well be in peace: first the relatives, who answer most often. */
static void scan_waits(uint64_t now)
{
    uint64_t began = cpu_ns(), spent = look_budget_totals().cpu_ns;
    graph = graph_memory_begin(&memory);
    trust_threads();
    bool worth_it = !is_at_peace() && (wait_graph_may_be_stuck(graph, own_pid()) ||
                                       wait_graph_space_is_wanted(graph, own_pid()));
    own_threads_trust(false);
    pay_since(began);
    if (worth_it)
        scan(now);
    not_before = now + (look_budget_totals().cpu_ns - spent) * LOOKS_CPU_RATIO;
}

/* A write that is stuck: at once, then at growing distances. UINT64_MAX: none is. */
static uint64_t stuck_write_due(uint64_t now, bool stuck)
{
    if (!stuck) {
        next_scan = 0;
        return UINT64_MAX;
    }
    if (next_scan == 0) {
        pause = FIRST_PAUSE_NS;
        next_scan = now;
    }
    return next_scan;
}

static void scan_stuck_write(uint64_t now)
{
    scan(now);
    next_scan = clock_monotonic_ns() + pause;
    pause = pause < LONGEST_PAUSE_NS / 2 ? pause * 2 : LONGEST_PAUSE_NS;
}

static uint64_t earliest(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t first = a < b ? a : b;
    return first < c ? first : c;
}

static uint64_t scan_if_due(uint64_t now, uint64_t paid, bool stuck)
{
    uint64_t due_at = not_before, stuck_at = stuck_write_due(now, stuck);
    if (now < paid) /* whatever is due keeps till then */
        return paid;
    bool due = now >= not_before && long_waits_due(now, &due_at);
    if (now < stuck_at && !due && now < suspicion_due())
        return earliest(due_at, suspicion_due(), stuck_at);
    if (!rights_hold() || !graph_memory_begin(&memory))
        return now + LONGEST_PAUSE_NS;
    if (now >= stuck_at)
        scan_stuck_write(now);
    else if (now >= suspicion_due())
        scan(now);
    else if (due)
        scan_waits(now);
    return earliest(due_at, suspicion_due(), stuck_write_due(now, stuck));
}

uint64_t deadlock_scan(uint64_t now, bool stuck)
{
    held_findings_see();
    /* For all of them alike: what comes first in a pass must not spend what the others wait for. */
    uint64_t paid = look_budget_due(now);
    uint64_t doubts = settle_doubts(now, paid);
    uint64_t act_at = act_when_due(now, paid);
    return earliest(doubts, act_at, scan_if_due(now, paid, stuck));
}
