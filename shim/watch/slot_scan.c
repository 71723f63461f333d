// SPDX-License-Identifier: MIT
#include "watch/slot_scan.h"

#include "base/clock.h"
#include "kernel/task.h"
#include "process/life.h"
#include "slots/slot.h"
#include "watch/context.h"
#include "watch/event_loops.h"
#include "watch/judge.h"
#include "watch/lag.h"
#include "watch/look_budget.h"
#include "watch/proof.h"
#include "watch/sleep.h"
#include "watch/slot_notes.h"

#define ALL_SLOTS_EVERY_NS ((uint64_t)10 * NS_PER_S)
/* Who holds a pipe is believed for longer than this (watch/known_peers.h). */
#define MOST_AHEAD_NS ((uint64_t)5 * NS_PER_S)
enum {
    /* While a reported call lasts only its end is waited for: one scan in a hundredth of its age.
     */
    AGE_PER_SCAN = 100,
    LONGEST_WAIT_FOR_END_NS = 200 * NS_PER_MS,
    SHORTEST_WAIT_NS = NS_PER_MS,
    STALE_AFTER_FAILURES = 3,
    FRESH_CLAIM_NS = 2 * NS_PER_MS,
    /* Threads of which the kernel is asked in one scan before their call is due: 2 us each. */
    LOOKS_IN_A_SCAN = 16,
    RESTLESS_LIMIT = 64,
    /* So much a thread that wrote into a pipe does not run before it is out of the call. */
    RAN_OUT_NS = NS_PER_MS,
};

static bool end_report(struct slot *slot)
{
    struct slot_watch *watch = &slot->watch;
    if (!slot_end_report(slot))
        return false;
    watch->was_judged = false;
    watch->proof_failures = 0;
    return true;
}

static void begin_timing(struct slot *slot, uint32_t sequence, const struct scan *scan)
{
    struct slot_watch *watch = &slot->watch;
    /* The claim that woke the watchdog was made by this very call: its time is exact. An older
     * claim was another call's. */
    bool claimed = slot->claimed_ns < scan->now && slot->claimed_ns > scan->now - FRESH_CLAIM_NS;
    watch->since_ns = claimed ? slot->claimed_ns : scan->now;
    watch->sequence = sequence;
    watch->seen_inside = watch->is_prepared = false;
    watch->look_ns = scan->now + scan->interval;
}

static uint64_t interval_by_age(const struct slot *slot, const struct scan *scan)
{
    uint64_t wait = (scan->now - slot->watch.since_ns) / AGE_PER_SCAN;
    if (wait > LONGEST_WAIT_FOR_END_NS)
        return LONGEST_WAIT_FOR_END_NS;
    return wait < SHORTEST_WAIT_NS ? SHORTEST_WAIT_NS : wait;
}

static void judge_again(struct slot *slot, struct event_loop *loop, struct scan *scan)
{
    struct slot_watch *watch = &slot->watch;
    struct judgement judgement = judge_slot(slot, loop, watch->since_ns, loop ? lag_ref(loop) : 0);
    if (loop && judgement.verdict == VERDICT_REPORTED)
        lag_explained_by(loop, &judgement.report, watch->since_ns);
    watch->judged = judgement.verdict;
    watch->was_judged = true;
    watch->proven = false;
    watch->report = judgement.report;
    if (judgement.verdict == VERDICT_REPORTED)
        watch->run_time_ns = task_run_time_ns(slot->tid);
    if (judgement.verdict != VERDICT_OPEN)
        return;
    /* A thread that is on a CPU at each scan may still be in the call: a large write to a reader
     * that is slow, not stuck. One that the kernel shows elsewhere has left it. */
    bool unmarked = slot_end_is_unmarked(slot);
    if (!judgement.moving && (unmarked || ++watch->proof_failures >= STALE_AFTER_FAILURES)) {
        watch->judged = VERDICT_LEFT; /* what it really does, the sampler sees */
        return;
    }
    /* That it runs is no reason to look at all others more often. */
    if (!(unmarked && judgement.running))
        scan->activity = true;
    scan_again_at(scan, scan->now + interval_by_age(slot, scan));
}

/* A call that is not due yet. Where its end is not marked, the thread has in most cases left it
 * long ago: to know that lets the watchdog sleep. */
static void look_inside(struct slot *slot, uint64_t due, struct scan *scan)
{
    struct slot_watch *watch = &slot->watch;
    struct slot_record record;
    struct task_call call;
    scan_again_at(scan, due);
    if (watch->seen_inside || scan->looks == LOOKS_IN_A_SCAN) {
        scan->activity = true;
        return;
    }
    if (scan->now >= watch->look_ns) {
        scan->looks++;
        enum proof proof = slot_copy(slot, &record) ? prove(&record, &call) : PROOF_RUNNING;
        watch->seen_inside = proof == PROOF_HOLDS;
        scan->activity |= watch->seen_inside;
        if (proof == PROOF_FAILS)
            watch->judged = VERDICT_LEFT;
        if (proof != PROOF_RUNNING)
            return;
        uint64_t interval = interval_by_age(slot, scan);
        watch->look_ns = scan->now + (interval < scan->interval ? scan->interval : interval);
    }
    scan_again_at(scan, watch->look_ns);
}

static void wait_until_due(struct slot *slot, uint64_t due, struct scan *scan)
{
    if (slot_end_is_unmarked(slot)) {
        look_inside(slot, due, scan);
    } else {
        scan->activity = true;
        scan_again_at(scan, due);
    }
}

/* Of a call that was reported and whose slot has not moved. A thread that has not run is where it
 * was. One that was cancelled, or jumped out of the call, does not move its slot either: ask the
 * kernel. */
static bool still_lasts(struct slot *slot)
{
    struct slot_watch *watch = &slot->watch;
    struct slot_record record;
    struct task_call call;
    uint64_t run_time = task_run_time_ns(slot->tid); /* before it is proven */
    uint64_t ran = run_time - watch->run_time_ns;
    if (watch->proven && ran == 0 && run_time != 0 && watch->proof_failures == 0)
        return true;
    enum proof proof = slot_copy(slot, &record) ? prove(&record, &call) : PROOF_RUNNING;
    if (proof == PROOF_HOLDS) {
        watch->proof_failures = 0;
        watch->run_time_ns = run_time;
        watch->proven = true;
    } else if (ran > 0 || run_time == 0) { /* else it was woken, and has no CPU yet */
        watch->proof_failures++;
    }
    return proof != PROOF_FAILS && watch->proof_failures < STALE_AFTER_FAILURES &&
           !(slot_end_is_unmarked(slot) && ran > RAN_OUT_NS);
}

static void wait_for_end(struct slot *slot, struct scan *scan)
{
    struct slot_watch *watch = &slot->watch;
    if (!still_lasts(slot)) {
        if (end_report(slot))
            watch->judged = VERDICT_LEFT;
        return;
    }
    scan->stuck = true;
    judge_still(slot->tid, &watch->report, watch->since_ns, scan->now);
    scan_again_at(scan, scan->now + interval_by_age(slot, scan));
}

/* A call that is not due yet, and may well become so. Two thirds of its time is when the next scan
 * is made at the latest beside a program that makes calls all the time: nobody is woken for this.
 */
static void prepare(struct slot *slot, uint64_t due, struct scan *scan)
{
    struct slot_watch *watch = &slot->watch;
    uint64_t ahead = (due - watch->since_ns) / 2;
    ahead = ahead < MOST_AHEAD_NS ? ahead : MOST_AHEAD_NS;
    if (watch->judged != VERDICT_OPEN || watch->is_prepared ||
        call_describe(slot_call(slot))->class != CLASS_PIPE_WRITE)
        return;
    if (scan->now + ahead < due)
        scan_again_at(scan, due - ahead / 3 * 2);
    else if (look_budget_due(scan->now) <= scan->now)
        watch->is_prepared = judge_prepare(slot);
}

static void scan_slot(struct slot *slot, struct event_loop *loop, struct scan *scan)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
    struct slot_watch *watch = &slot->watch;
    if (sequence != watch->sequence) {
        scan->activity = true;
        if (!end_report(slot))
            return; /* the next scan finds the same */
        watch->sequence = sequence;
        if (sequence & 1)
            begin_timing(slot, sequence, scan);
    }
    if (!(sequence & 1))
        return;
    if (watch->judged == VERDICT_OPEN) {
        uint64_t due = watch->since_ns + context_due_ns(slot_call(slot));
        if (scan->now >= due) {
            judge_again(slot, loop, scan);
        } else {
            wait_until_due(slot, due, scan);
            prepare(slot, due, scan);
        }
    }
    if (watch->judged == VERDICT_REPORTED)
        wait_for_end(slot, scan);
}

static void scan_loop(struct event_loop *loop, struct scan *scan)
{
    struct lag_scan lag = lag_scan(loop, context_memory(), scan->now);
    if (!lag.lagging)
        return;
    scan->activity = true;
    scan_again_at(scan, lag.again);
    if (lag.lasts)
        scan_again_at(scan, scan->now + scan->closest);
}

/* Nothing is timed of the thread, and it is none that may turn out to be a loop. */
static bool rests(const struct slot *slot, uint32_t sequence)
{
    const struct slot_watch *watch = &slot->watch;
    if (slot->tid == 0)
        return true;
    return watch->sequence == sequence &&
           (!(sequence & 1) || watch->judged == VERDICT_NOT_REPORTABLE ||
            watch->judged == VERDICT_LEFT) &&
           !watch->is_loop && !slot_may_be_loop(slot) &&
           call_describe(slot_call(slot))->class != CLASS_POLL &&
           (settings.loop == LOOP_AUTO || settings.loop == LOOP_NONE);
}

/* True if the slot is at rest from now on. */
static bool scan_thread(unsigned index, struct slot *slot, struct scan *scan)
{
    uint32_t armed = atomic_load_explicit(&slot->armed, memory_order_relaxed);
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
    if (slot->tid != 0) {
        struct event_loop *loop = event_loop_of(slot, context_memory(), scan->now);
        /* The loop first: a call that is reported now explains a lag that has begun. */
        if (loop)
            scan_loop(loop, scan);
        scan_slot(slot, loop, scan);
    }
    if (!rests(slot, sequence))
        return false;
    slot_note_rest(index, sequence, armed);
    return true;
}

/* While all slots are disarmed a thread that makes a call wakes the watchdog. So only those are
 * looked at that did not rest: with a thousand threads each of the others is a line that is in no
 * cache. */
static struct {
    unsigned slots[RESTLESS_LIMIT];
    unsigned count; /* more than RESTLESS_LIMIT: they are not all known */
    uint64_t until; /* then all are looked at; 0: at once */
} restless;         /* child: scratch, the first scan of each watchdog looks at all */

static void scan_restless(struct scan *scan)
{
    for (unsigned i = 0; i < restless.count; i++)
        scan_thread(restless.slots[i], slot_at(restless.slots[i]), scan);
}

static void scan_all(struct scan *scan, bool even_at_rest)
{
    enum { AHEAD = 8 };
    unsigned bound = slot_bound();
    restless.count = 0;
    for (unsigned index = 0; index < bound; index++) {
        struct slot *slot = slot_at(index);
        if (index + AHEAD < bound)
            __builtin_prefetch(slot_at(index + AHEAD));
        if (!slot || (!even_at_rest && slot_is_at_rest(index, slot)) ||
            scan_thread(index, slot, scan))
            continue;
        if (restless.count < RESTLESS_LIMIT)
            restless.slots[restless.count] = index;
        restless.count++;
    }
}

void slot_scan(struct scan *scan, bool disarmed)
{
    static uint64_t all_at; /* settings change: not before, all are looked at; child: scratch */
    if (disarmed && scan->now < restless.until && restless.count <= RESTLESS_LIMIT) {
        scan_restless(scan);
        return;
    }
    bool all = scan->now >= all_at;
    if (all)
        all_at = scan->now + ALL_SLOTS_EVERY_NS;
    scan_all(scan, all);
    restless.until = disarmed ? scan->now + LONGEST_SLEEP_NS : 0;
}
