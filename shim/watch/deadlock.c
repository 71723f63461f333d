// SPDX-License-Identifier: MIT
#include "watch/deadlock.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "graph/finding.h"
#include "graph/wait_graph.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/action.h"
#include "watch/context.h"
#include "watch/long_waits.h"
#include "watch/members.h"

enum {
    FINDINGS = 4,
    REPORTED_LIMIT = 16,
    COST_RATIO = 100, /* looks at waits that may be in peace take at most this fraction of a CPU */
};
#define BETWEEN_TWO_SCANS_NS ((uint64_t)250 * NS_PER_MS)
/* Something that comes round must be seen to have come round: Bun wakes each 999 ms. */
#define BETWEEN_TWO_ROUNDS_NS ((uint64_t)1100 * NS_PER_MS)
#define LONGEST_PAUSE_NS      ((uint64_t)60 * NS_PER_S)

static void *memory; /* the graph's, mapped when first needed; child: kept, it is a mapping */
static struct wait_graph graph;             /* child: scratch */
static struct wait_finding found[FINDINGS]; /* child: scratch */
static struct wait_finding before;          /* child: kept, it counts only with have_before */
static bool have_before;
static uint64_t next_scan;  /* of a stuck write; 0: none is */
static uint64_t pause;      /* between two of these; child: scratch */
static uint64_t confirm_at; /* a suspicion is looked at again then; UINT64_MAX: none */
static uint64_t not_before; /* what the last scans have cost allows none earlier */
static uint64_t
    reported[REPORTED_LIMIT]; /* the latest, by identity; child: kept, reported_count counts */
static unsigned reported_count;
static int held_tid; /* the thread of this process in the last one reported; child: scratch */
static uint64_t held_since;         /* the wait that it was about; 0: none, it is over */
static enum finding_kind held_kind; /* child: scratch */
static uint64_t held_id, held_seq;  /* child: scratch */
static bool to_act;                 /* it is looked at once more, and acted on */
static uint64_t act_not_before;     /* after a look that found it otherwise; child: scratch */

void deadlock_begin(void)
{
    have_before = false;
    next_scan = 0;
    confirm_at = UINT64_MAX;
    not_before = 0;
    reported_count = 0;
    to_act = false;
    held_since = 0;
}

static bool have_memory(void)
{
    if (memory)
        return true;
    long made = raw_syscall(SYS_mmap, 0, WAIT_GRAPH_MEMORY, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    memory = (void *)made;
    return true;
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
 * for. */
static bool waits_in_vain(void)
{
    uint32_t own = wait_graph_process(&graph, own_pid());
    wait_graph_reduce(&graph, ACT_ALL);
    return own != NO_INDEX && graph.processes[own].loaded && !graph.processes[own].can_act;
}

/* A reader that is away may come back; these do not end as long as nobody interferes. */
static bool cannot_end(const struct wait_finding *finding)
{
    return finding->kind == FINDING_DEADLOCK || finding->kind == FINDING_SELF_READER ||
           finding->kind == FINDING_NO_READER || finding->kind == FINDING_READER_STOPPED;
}

/* What is to be reported here: a cycle that this process is a member of, what is wrong with the
 * other end of its own wait, or what keeps from going on whom it waits for. */
static const struct wait_finding *choose(unsigned count)
{
    const struct wait_finding *own = NULL, *awaited = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (found[i].kind == FINDING_DEADLOCK && is_member(&found[i], own_pid()))
            return &found[i];
        if (!own && found[i].kind != FINDING_DEADLOCK && found[i].chain[0].pid == own_pid())
            own = &found[i];
        if (!awaited && cannot_end(&found[i]))
            awaited = &found[i];
    }
    if (own || !awaited)
        return own;
    return waits_in_vain() ? awaited : NULL;
}

static uint64_t identity(const struct wait_finding *finding)
{
    return finding->id != 0 ? finding->id : finding->fingerprint;
}

static bool is_reported(uint64_t id)
{
    for (unsigned i = 0; i < reported_count && i < REPORTED_LIMIT; i++) {
        if (reported[i] == id)
            return true;
    }
    return false;
}

/* How long this process's member has waited, as far as it was seen. */
static uint64_t own_wait_ns(const struct wait_finding *finding, uint64_t now)
{
    for (unsigned i = 0; i < finding->count; i++) {
        uint64_t since =
            finding->chain[i].pid == own_pid() ? long_waits_since(finding->chain[i].tid) : 0;
        if (since != 0)
            return now - since;
    }
    return 0;
}

static void hold(const struct wait_finding *finding, uint64_t seq)
{
    held_since = 0;
    held_id = identity(finding);
    held_seq = seq;
    for (unsigned i = 0; i < finding->count && held_since == 0; i++) {
        if (finding->chain[i].pid != own_pid())
            continue;
        held_tid = finding->chain[i].tid;
        held_kind = finding->kind;
        held_since = long_waits_since(held_tid);
    }
    to_act = held_since != 0;
    act_not_before = 0;
}

static void see_whether_it_holds(void)
{
    if (held_since == 0 || long_waits_since(held_tid) == held_since)
        return;
    held_since = 0;
    report_finding_over(held_kind);
}

/* The third look at a wait that was reported. Returns when it is due. */
static uint64_t act_when_due(uint64_t now)
{
    if (held_since == 0 || !to_act || !action_wanted(held_kind))
        return UINT64_MAX;
    uint64_t due = action_due(held_since, now);
    due = due > act_not_before ? due : act_not_before;
    if (now < due || !have_memory())
        return due;
    wait_graph_init(&graph, memory, WAIT_GRAPH_MEMORY, context_permitted_access());
    unsigned count = wait_graph_examine(&graph, own_pid(), found, FINDINGS);
    for (unsigned i = 0; i < count && to_act; i++)
        if (identity(&found[i]) == held_id && found[i].kind == held_kind)
            to_act = !action_on_finding(&found[i], held_seq, held_tid, now - held_since);
    act_not_before = now + BETWEEN_TWO_ROUNDS_NS; /* a debugger may leave */
    return to_act ? act_not_before : UINT64_MAX;
}

/* One look at all processes. A suspicion is kept for the scan that confirms it. */
static void scan(uint64_t now)
{
    wait_graph_init(&graph, memory, WAIT_GRAPH_MEMORY, context_permitted_access());
    const struct wait_finding *finding =
        choose(wait_graph_examine(&graph, own_pid(), found, FINDINGS));
    if (finding && is_reported(identity(finding)))
        finding = NULL;
    bool confirmed = finding && have_before && wait_finding_confirms(&before, finding);
    uint64_t seq =
        confirmed ? report_finding(finding, members_read(finding), own_wait_ns(finding, now)) : 0;
    if (seq != 0) {
        reported[reported_count++ % REPORTED_LIMIT] = identity(finding);
        hold(finding, seq);
    }
    bool first = finding && !have_before;
    have_before = finding && !confirmed;
    if (have_before)
        before = *finding;
    confirm_at = !first            ? UINT64_MAX
                 : finding->likely ? now + BETWEEN_TWO_ROUNDS_NS
                                   : now + BETWEEN_TWO_SCANS_NS;
}

/* The waits that may well be in peace: first the relatives, who answer most often. */
static void scan_waits(uint64_t now)
{
    uint64_t begin = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    wait_graph_init(&graph, memory, WAIT_GRAPH_MEMORY, context_permitted_access());
    if (wait_graph_may_be_stuck(&graph, own_pid()))
        scan(now);
    not_before = now + (clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - begin) * COST_RATIO;
}

/* A write that is stuck: at once, then at growing distances. UINT64_MAX: none is. */
static uint64_t scan_stuck_write(uint64_t now, bool stuck)
{
    if (!stuck) {
        next_scan = 0;
        return UINT64_MAX;
    }
    if (next_scan == 0) {
        pause = BETWEEN_TWO_SCANS_NS;
        next_scan = now;
    }
    if (now >= next_scan) {
        scan(now);
        next_scan = clock_monotonic_ns() + pause;
        pause = pause < LONGEST_PAUSE_NS / 2 ? pause * 2 : LONGEST_PAUSE_NS;
    }
    return next_scan;
}

static uint64_t scan_if_due(uint64_t now, bool stuck)
{
    uint64_t due_at = not_before;
    bool due = now >= not_before && long_waits_due(now, &due_at);
    if (!stuck && !due && now < confirm_at)
        return due_at < confirm_at ? due_at : confirm_at;
    if (!have_memory())
        return now + LONGEST_PAUSE_NS;
    uint64_t next = scan_stuck_write(now, stuck);
    if (now >= confirm_at)
        scan(now);
    else if (due)
        scan_waits(now);
    next = due_at < next ? due_at : next;
    return confirm_at < next ? confirm_at : next;
}

uint64_t deadlock_scan(uint64_t now, bool stuck)
{
    see_whether_it_holds();
    uint64_t act_at = act_when_due(now);
    uint64_t next = scan_if_due(now, stuck);
    return act_at < next ? act_at : next;
}
