// SPDX-License-Identifier: MIT
#include "watch/held_findings.h"

#include <stddef.h>

#include "base/clock.h"
#include "report/reporter.h"
#include "watch/long_waits.h"

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
    unsigned place = 0;
    while (place < held_count && held[place].tid != finding->tid)
        place++;
    if (place == HELD_FINDINGS)
        place = 0;
    if (place == held_count)
        held_count++;
    held[place] = *finding;
    held[place].since = long_waits_since(finding->tid);
    held[place].looked_ns = long_waits_looked_ns();
}

static bool lasts(struct held_finding *finding)
{
    uint64_t since = long_waits_since(finding->tid);
    if (finding->since == 0 && since == 0)
        return long_waits_looked_ns() - finding->looked_ns < UNSEEN_NS;
    if (finding->since == 0)
        finding->since = since;
    return finding->since == since;
}

bool held_findings_know(const struct wait_finding *finding)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i].kind == FINDING_DEADLOCK && finding->kind != FINDING_DEADLOCK &&
            held[i].first_tid == finding->chain[0].tid &&
            held[i].first_inode == finding->chain[0].key.inode)
            return true;
    return false;
}

bool held_findings_deadlock(int tid)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i].tid == tid && held[i].kind == FINDING_DEADLOCK)
            return true;
    return false;
}

void held_findings_see(void)
{
    for (unsigned i = held_count; i-- > 0;)
        if (!lasts(&held[i]) && report_finding_over(held[i].tid))
            held[i] = held[--held_count];
}

struct held_finding *held_finding_at(unsigned index)
{
    return index < held_count ? &held[index] : NULL;
}
