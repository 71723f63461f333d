// SPDX-License-Identifier: MIT
#include "watch/suspicion.h"

#include "base/clock.h"

enum {
    STILL_ROUNDS = 3,
    SELDOM_MS = 500,
    GROWN_BYTES = 128 * 1024, /* in a round; a heap at rest moves by less */
    /* Of a backlog, in all: Node that compiles what it runs, beside a load, grew by 0.8 MiB in 3 s.
     */
    LEAST_BACKLOG_BYTES = 2 * 1024 * 1024,
};
#define BETWEEN_TWO_SCANS_NS ((uint64_t)250 * NS_PER_MS)
#define GROWING_NS           ((uint64_t)5 * NS_PER_S)
#define COMPUTES_NS          ((uint64_t)NS_PER_S) /* of CPU: bzip2 -9 takes 0.1 s for what it read */

/* A filter that is stuck in its own write: a slow consumer takes something of it now and then. */
#define STANDS_STILL_NS ((uint64_t)NS_PER_S)

static struct wait_finding before; /* child: kept, it counts only with have_before */
static bool have_before;
static uint64_t due;
static uint64_t first_seen; /* of `before`, by all rounds in a row; child: scratch */

void suspicion_begin(void)
{
    have_before = false;
    due = UINT64_MAX;
}

uint64_t suspicion_due(void)
{
    return due;
}

static bool is_of(const struct wait_finding *finding)
{
    return have_before && before.fingerprint == finding->fingerprint;
}

bool suspicion_of_backlog(struct wait_finding *deadlock, const struct wait_finding *backlog,
                          bool backlog_is_reported)
{
    deadlock->memory_bytes = backlog->memory_bytes;
    deadlock->seen_ns = backlog->seen_ns;
    /* One that wakes once in a second (Bun) has nothing to add meanwhile. */
    deadlock->still_rounds = backlog->limit_ms >= SELDOM_MS ? STILL_ROUNDS : 0;
    bool suspected = is_of(backlog);
    bool doubted = is_of(deadlock);
    if (backlog_is_reported || (!suspected && !doubted) ||
        (suspected && wait_finding_confirms(&before, backlog)) ||
        (doubted && backlog->memory_bytes - before.memory_bytes > GROWN_BYTES))
        return true;
    if (doubted)
        deadlock->still_rounds +=
            finding_is_at_work(&before, deadlock) ? 0 : before.still_rounds + 1;
    return false;
}

/* A writer that comes round may be at work when it is scanned: then the suspicion stays. */
static bool is_missed(const struct wait_finding *finding, uint64_t now)
{
    return !finding && have_before && before.seen_ns != 0 && now - before.seen_ns < GROWING_NS;
}

/* The same reader, which still has not read: then its CPU time counts from the first scan on. */
static bool is_computing_still(const struct wait_finding *finding)
{
    return finding && finding->kind == FINDING_READER_AWAY && is_of(finding) &&
           finding->holder_runs && before.holder_runs &&
           finding->holder_run_tid == before.holder_run_tid;
}

static bool is_writing_still(const struct wait_finding *finding)
{
    return finding && finding->kind == FINDING_READER_AWAY && finding->holder_writes &&
           have_before && wait_finding_confirms(&before, finding);
}

void suspicion_keep(const struct wait_finding *finding, bool confirmed, uint64_t now)
{
    if (is_missed(finding, now)) {
        due = now + BETWEEN_TWO_SCANS_NS;
        return;
    }
    bool computes = is_computing_still(finding);
    bool writes = is_writing_still(finding);
    bool moved =
        finding && finding->kind == FINDING_READER_AWAY && finding->holder_writes && !writes;
    bool same = finding && is_of(finding) && !moved;
    bool goes_on =
        finding && (finding->grown_rounds > 0 || finding->still_rounds > 0 || computes || writes);
    bool other = finding && have_before && finding->kind != before.kind;
    due = UINT64_MAX;
    if (finding && !confirmed && (!have_before || goes_on || other))
        due = now + (finding->likely || finding->kind == FINDING_BACKLOG ? SUSPICION_ROUND_NS
                                                                         : BETWEEN_TWO_SCANS_NS);
    have_before = finding && !confirmed;
    if (!have_before)
        return;
    uint64_t first = before.holder_run_ns;
    if (!same)
        first_seen = now;
    before = *finding;
    if (computes)
        before.holder_run_ns = first;
}

uint64_t suspicion_since(void)
{
    return first_seen;
}

bool suspicion_confirmed(struct wait_finding *finding, uint64_t now)
{
    if (!have_before || !wait_finding_confirms(&before, finding))
        return false;
    if (is_writing_still(finding) && now - first_seen < STANDS_STILL_NS)
        return false;
    if (finding->kind == FINDING_READER_AWAY && finding->holder_runs &&
        finding->holder_run_ns - before.holder_run_ns < COMPUTES_NS)
        return false;
    if (finding->kind == FINDING_DEADLOCK)
        return finding->seen_ns == 0 || finding->still_rounds >= STILL_ROUNDS;
    if (finding->kind != FINDING_BACKLOG)
        return true;
    finding_backlog_grew(&before, finding);
    return finding->grown_rounds >= BACKLOG_ROUNDS &&
           finding->memory_bytes - finding->memory_first >= LEAST_BACKLOG_BYTES;
}
