// SPDX-License-Identifier: MIT
#include "watch/sampler.h"

#include <linux/futex.h>
#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/call_table.h"
#include "kernel/rights.h"
#include "kernel/task.h"
#include "process/life.h"
#include "slots/slot.h"
#include "watch/context.h"
#include "watch/judge.h"
#include "watch/long_waits.h"
#include "watch/proof.h"

#define LONGEST_INTERVAL_NS (2 * (uint64_t)NS_PER_S)
enum {
    TRACKED_LIMIT = 1024, /* threads that sleep in a call of interest at once */
    COST_RATIO = 1000,    /* at most this fraction of the time goes into looking */
    /* Of CPU since the last scan, the watchdog's own included: the process is as good as idle. */
    IDLE_CPU_NS = NS_PER_MS / 2,
    IDLE_INTERVAL_NS = NS_PER_S,
};

/* A thread that was seen asleep in a call of interest, by tid; open addressing. */
struct tracked {
    int tid;
    uint32_t seen; /* the scan that saw it last */
    uint64_t number, fd, sp;
    uint64_t run_time; /* has not moved since `since_ns`: it is one and the same sleep */
    uint64_t since_ns;
    struct judgement judgement;
};

static struct tracked tracked[TRACKED_LIMIT];
static bool table_used;      /* something was entered since the table was cleared */
static uint32_t scan_number; /* child: kept, only its changes count */
static uint64_t next_scan;
static uint64_t process_time; /* CPU time of the process at the last scan */
static uint64_t others_time;  /* the same without the watchdog's */
static bool seen_running;     /* a thread was on a CPU, or on its way, at the last scan */
static unsigned tracked_count;
/* child: scratch */
static uint64_t explaining_ns; /* CPU time of this scan that went into reports, which are rare */
static uint64_t cost;        /* how long the next scan must keep away from this one for its cost */
static uint64_t last_cost;   /* the same of that scan alone */
static bool reported_writes; /* a write is stuck now: locks are worth a scan */
static bool sampled_writes;  /* one was at the last scan */

void sampler_begin(void)
{
    if (table_used)
        memset(tracked, 0, sizeof tracked);
    table_used = false;
    next_scan = 0;
    process_time = 0;
    others_time = 0;
    seen_running = true;
    tracked_count = 0;
    last_cost = 0;
    reported_writes = false;
}

static bool is_write(long number)
{
    const struct call_description *known = call_description(number);
    return known && known->class == CLASS_PIPE_WRITE;
}

static struct slot *slot_of(int tid)
{
    for (unsigned index = 0; index < slot_bound(); index++) {
        struct slot *slot = slot_at(index);
        if (slot && slot->tid == tid)
            return slot;
    }
    return NULL;
}

/* The slot speaks for the thread: the watchdog judges it by that. */
static bool slot_covers(int tid, const struct task_call *call)
{
    struct slot_record record;
    const struct slot *slot = slot_of(tid);
    return slot && slot_copy(slot, &record) && slot_speaks_for(slot, &record) &&
           record_is_of(&record, call);
}

/* libc's FILE lock is {int lock; int count; void *owner}; the thread waits on its first word. The
 * owner is a thread control block: at the thread pointer on x86_64, less than a page below it on
 * aarch64. */
static const struct slot *holder_of_file_lock(const struct task_call *call)
{
    enum { CONTROL_BLOCK_BELOW = 4096 };
    struct {
        int32_t lock, count;
        uint64_t owner;
    } lock;
    if (call->number != SYS_futex || (call->arguments[1] & FUTEX_CMD_MASK) != FUTEX_WAIT ||
        !memory_read(context_memory(), call->arguments[0], &lock, sizeof lock) || lock.owner == 0)
        return NULL;
    for (unsigned index = 0; index < slot_bound(); index++) {
        const struct slot *slot = slot_at(index);
        if (slot && slot->tid != 0 && slot->watch.judged == VERDICT_REPORTED &&
            slot->thread_pointer - lock.owner < CONTROL_BLOCK_BELOW)
            return slot;
    }
    return NULL;
}

static struct tracked *find_tracked(int tid)
{
    for (unsigned probe = 0; probe < TRACKED_LIMIT; probe++) {
        struct tracked *entry = &tracked[((unsigned)tid + probe) % TRACKED_LIMIT];
        if (entry->tid == tid || entry->tid == 0)
            return entry;
    }
    return NULL;
}

struct sample {
    uint64_t now;
    bool slots_are_few; /* so that a thread's is soon found */
};

/* The thread has made a call since the last scan. */
static bool has_moved(const struct slot *slot)
{
    return atomic_load_explicit(&slot->sequence, memory_order_relaxed) !=
           slot->watch.sampled_sequence;
}

/* True if every thread of the process has, by their number. */
static bool all_have_moved(void)
{
    unsigned moved = 0;
    for (unsigned index = 0; index < slot_bound(); index++) {
        const struct slot *slot = slot_at(index);
        moved += slot && slot->tid != 0 && has_moved(slot);
    }
    return moved > 0 && task_count() == moved + 1; /* and the watchdog */
}

static void note_sequences(void)
{
    for (unsigned index = 0; index < slot_bound(); index++) {
        struct slot *slot = slot_at(index);
        if (slot && slot->tid != 0)
            slot->watch.sampled_sequence =
                atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    }
}

static void track(int tid, const struct task_call *call, uint64_t now, const struct slot *owner)
{
    struct tracked *entry = find_tracked(tid);
    if (!entry)
        return;
    uint64_t run_time = task_run_time_ns(tid);
    bool same = entry->tid == tid && entry->number == (uint64_t)call->number &&
                entry->fd == call->arguments[0] && entry->sp == call->sp &&
                entry->run_time == run_time;
    if (!same) {
        if (entry->tid == tid)
            judge_returned(tid, &entry->judgement, entry->since_ns);
        table_used = true;
        *entry = (struct tracked){.tid = tid,
                                  .number = (uint64_t)call->number,
                                  .fd = call->arguments[0],
                                  .sp = call->sp,
                                  .run_time = run_time,
                                  .since_ns = now};
    }
    entry->seen = scan_number;
    tracked_count++;
    enum call_class class = owner ? CLASS_LOCK : CLASS_PIPE_WRITE;
    if (entry->judgement.verdict == VERDICT_OPEN &&
        now - entry->since_ns >= context_threshold_ns(class)) {
        uint64_t began = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
        entry->judgement = judge_sampled(tid, call, entry->since_ns, owner);
        explaining_ns += clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began;
    } else if (entry->judgement.verdict == VERDICT_REPORTED) {
        judge_still(tid, &entry->judgement.report, entry->since_ns, now);
    }
    if (!owner && entry->judgement.verdict == VERDICT_REPORTED)
        reported_writes = true;
}

static bool sample_task(int tid, void *context)
{
    const struct sample *sample = context;
    if (tid == atomic_load(&life->watchdog_tid))
        return true;
    const struct slot *slot = sample->slots_are_few ? slot_of(tid) : NULL;
    if (slot && has_moved(slot)) {
        seen_running = true;
        return true;
    }
    struct task_call call = task_read_call(tid);
    if (call.status == TASK_UNREADABLE)
        return false; /* and so are all the others */
    if (call.status != TASK_IN_CALL) {
        seen_running = true;
        return true;
    }
    long_waits_see(tid, &call, sample->now);
    if (is_write(call.number) && !slot_covers(tid, &call)) {
        track(tid, &call, sample->now, NULL);
    } else if (reported_writes) {
        const struct slot *owner = holder_of_file_lock(&call);
        if (owner)
            track(tid, &call, sample->now, owner);
    }
    return true;
}

/* Reports the end of what was seen before and was not seen now; closes the gaps. */
static void forget_unseen(void)
{
    static struct tracked kept[TRACKED_LIMIT]; /* child: scratch */
    unsigned count = 0;
    for (unsigned i = 0; i < TRACKED_LIMIT; i++) {
        if (tracked[i].tid == 0)
            continue;
        if (tracked[i].seen == scan_number)
            kept[count++] = tracked[i];
        else
            judge_returned(tracked[i].tid, &tracked[i].judgement, tracked[i].since_ns);
    }
    memset(tracked, 0, sizeof tracked);
    for (unsigned i = 0; i < count; i++)
        *find_tracked(kept[i].tid) = kept[i];
}

static bool any_report_on_slots(void)
{
    for (unsigned index = 0; index < slot_bound(); index++) {
        const struct slot *slot = slot_at(index);
        if (slot && slot->watch.judged == VERDICT_REPORTED)
            return true;
    }
    return false;
}

/* Of CPU, since the last call; all of it when that was not comparable. */
static uint64_t used_time(bool *nothing)
{
    uint64_t process;
    uint64_t others = task_others_time_ns(&process);
    uint64_t used = process - process_time;
    *nothing = others - others_time < TASK_NOTHING_RAN_NS;
    process_time = process;
    /* At most, where `others` is at least: what interrupts took between the clocks hides no run. */
    others_time = process - clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    return used;
}

/* False: it must not look. */
static bool sample_all(uint64_t now)
{
    enum { FEW = 256 };
    struct sample sample = {now, slot_bound() <= FEW};
    unsigned before = tracked_count;
    uint64_t began = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    if (!rights_hold())
        return false;
    explaining_ns = 0;
    scan_number++;
    tracked_count = 0;
    seen_running = false;
    sampled_writes = reported_writes;
    long_waits_begin_round(now);
    task_for_each(sample_task, &sample);
    note_sequences();
    if (before != 0)
        forget_unseen();
    /* What it took, not how long: a watchdog that gets no CPU must not go blind for it. Nor for
     * interrupts, or a hypervisor, in the midst of one scan: the cheaper one of two counts. */
    uint64_t this_cost =
        (clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began - explaining_ns) * COST_RATIO;
    cost = this_cost < last_cost ? this_cost : last_cost;
    last_cost = this_cost;
    return true;
}

/* A program that writes all the time: no thread is in a call for long. */
static bool is_all_moving(void)
{
    if (tracked_count != 0 || !all_have_moved())
        return false;
    note_sequences();
    seen_running = true;
    process_time = others_time = 0;
    cost = 0;
    return true;
}

uint64_t sampler_scan(uint64_t now, bool activity)
{
    if (now < next_scan)
        return next_scan;
    uint64_t interval = context_smallest_threshold_ns() / 2;
    reported_writes = any_report_on_slots();
    if (activity && !reported_writes && is_all_moving()) {
        next_scan = now + interval;
        return next_scan;
    }
    bool nothing;
    bool idle = used_time(&nothing) < IDLE_CPU_NS && !activity && tracked_count == 0;
    /* Nothing that was not seen before, and looked at in the same way. */
    if (idle && nothing && !seen_running && reported_writes == sampled_writes) {
        next_scan = now + LONGEST_INTERVAL_NS;
        return next_scan;
    }
    if (!sample_all(now))
        return UINT64_MAX;
    idle = idle && tracked_count == 0 && !reported_writes;
    if (interval < cost)
        interval = cost;
    next_scan = now + (idle && interval < IDLE_INTERVAL_NS ? IDLE_INTERVAL_NS : interval);
    return next_scan;
}
