// SPDX-License-Identifier: MIT
#include "watch/held_findings.h"

#include <stddef.h>

#include "base/clock.h"
#include "kernel/task.h"
#include "report/reporter.h"
#include "watch/action.h"
#include "watch/long_waits.h"
#include "watch/suspicion.h"

/* One look may see less than another: a thread that comes round may be awake at that moment. */
enum { MISSED_AND_OVER = 3 };

/* For so long the sampler may not have seen the wait, of which the graph knew first. */
#define UNSEEN_NS ((uint64_t)5 * NS_PER_S)

static struct held_finding held[HELD_FINDINGS]; /* child: kept, held_count counts them */
static unsigned held_count;

void held_findings_begin(void)
{
    held_count = 0;
}

void held_findings_add(const struct held_finding *finding)
{
    unsigned index = 0, inactive = 0;
    while (index < held_count && held[index].tid != finding->tid)
        index++;
    while (inactive < held_count && held[inactive].active)
        inactive++;
    if (index == HELD_FINDINGS)
        index = inactive < HELD_FINDINGS ? inactive : 0;
    if (index == held_count)
        held_count++;
    held[index] = *finding;
    held[index].looked_ns = long_waits_looked_ns();
    held[index].run_time_now = held[index].run_time = task_run_time_ns(finding->tid);
    held[index].place = 0;
    if (long_waits_asleep_since(finding->tid) != 0)
        held[index].place = long_waits_since(finding->tid);
    else
        held[index].run_time--; /* it may have run since it was found: doubted */
    held[index].active = true;
    held[index].missed = 0;
}

static bool stays_in_place(struct held_finding *finding)
{
    uint64_t place = long_waits_since(finding->tid);
    if (finding->place != 0)
        return finding->place == place;
    /* What the sampler knows of it is of an earlier wait. */
    if (long_waits_asleep_since(finding->tid) == 0 &&
        long_waits_looked_ns() - finding->looked_ns < UNSEEN_NS)
        return true;
    finding->place = place;
    return place != 0;
}

uint64_t finding_identity(const struct wait_finding *finding)
{
    return finding->id != 0 ? finding->id : finding->fingerprint;
}

/* The same sleep, or a deadlock of the same. */
static bool is_same(const struct held_finding *held_one, const struct wait_finding *finding)
{
    return held_one->kind == finding->kind && held_one->id == finding_identity(finding);
}

/* Or another sleep of the same thread on the same object. */
static bool is_alike(const struct held_finding *held_one, const struct wait_finding *finding)
{
    return is_same(held_one, finding) || (held_one->kind == finding->kind && finding->id == 0 &&
                                          held_one->first_tid == finding->chain[0].tid &&
                                          held_one->first_inode == finding->chain[0].key.inode);
}

static const struct wait_finding *
find(const struct held_finding *held_one, const struct wait_finding *found, unsigned count,
     bool (*is_it)(const struct held_finding *, const struct wait_finding *))
{
    for (unsigned i = 0; i < count; i++)
        if (is_it(held_one, &found[i]))
            return &found[i];
    return NULL;
}

static bool is_doubted(const struct held_finding *finding)
{
    return finding->missed < MISSED_AND_OVER &&
           (!finding->active || finding->run_time != finding->run_time_now);
}

/* `found`: NULL if the scan has not found it. */
static void look_at(struct held_finding *finding, const struct wait_finding *found, uint64_t now)
{
    if (!found) {
        finding->missed += finding->missed < MISSED_AND_OVER;
        if (finding->active && finding->missed == MISSED_AND_OVER)
            finding->active = !report_finding_over(finding->tid);
    } else if (finding->missed == MISSED_AND_OVER) {
        finding->missed--; /* it is back, if the next look says so too */
    } else {
        finding->missed = 0;
        finding->run_time = finding->run_time_now;
        if (!is_same(finding, found))
            finding->since = now;
        finding->id = finding_identity(found);
        if (finding->active || !report_finding_again(found, finding->tid))
            return;
        finding->active = true;
        finding->since = now;
    }
}

/* One that was over may be found again by a scan that is made for another reason. */
void held_findings_look(const struct wait_finding *found, unsigned count, uint64_t now)
{
    for (unsigned i = 0; i < held_count; i++)
        if (is_doubted(&held[i]) || !held[i].active)
            look_at(&held[i], find(&held[i], found, count, is_alike), now);
}

bool held_findings_doubted(void)
{
    for (unsigned i = 0; i < held_count; i++)
        if (is_doubted(&held[i]))
            return true;
    return false;
}

static uint64_t act_at(const struct held_finding *finding, uint64_t now)
{
    if (!finding->to_act || !finding->active || !action_wanted(finding->kind))
        return UINT64_MAX;
    uint64_t due = action_due(finding->since, now);
    return due > finding->act_not_before ? due : finding->act_not_before;
}

uint64_t held_findings_act_at(uint64_t now)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < held_count; i++) {
        uint64_t due = act_at(&held[i], now);
        first = due < first ? due : first;
    }
    return first;
}

void held_findings_act(const struct wait_finding *found, unsigned count, uint64_t now)
{
    for (unsigned i = 0; i < held_count; i++) {
        if (now < act_at(&held[i], now))
            continue;
        const struct wait_finding *again = find(&held[i], found, count, is_same);
        if (again)
            held[i].to_act =
                !action_on_finding(again, held[i].seq, held[i].tid, now - held[i].since);
        held[i].act_not_before = now + SUSPICION_ROUND_NS; /* a debugger may leave */
    }
}

bool held_findings_know(const struct wait_finding *finding)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i].active && held[i].kind == FINDING_DEADLOCK &&
            finding->kind != FINDING_DEADLOCK && held[i].first_tid == finding->chain[0].tid &&
            held[i].first_inode == finding->chain[0].key.inode)
            return true;
    return false;
}

bool held_findings_deadlock(int tid)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i].active && held[i].tid == tid && held[i].kind == FINDING_DEADLOCK)
            return true;
    return false;
}

void held_findings_see(void)
{
    for (unsigned i = held_count; i-- > 0;) {
        held[i].run_time_now = task_run_time_ns(held[i].tid);
        if (!stays_in_place(&held[i]) && (!held[i].active || report_finding_over(held[i].tid)))
            held[i] = held[--held_count];
    }
}

struct held_finding *held_finding_at(unsigned index)
{
    return index < held_count ? &held[index] : NULL;
}
