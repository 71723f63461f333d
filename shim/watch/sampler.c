// SPDX-License-Identifier: MIT
#include "watch/sampler.h"

#include <linux/futex.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/call_table.h"
#include "kernel/own_threads.h"
#include "kernel/rights.h"
#include "kernel/task.h"
#include "process/life.h"
#include "slots/slot.h"
#include "watch/context.h"
#include "watch/judge.h"
#include "watch/libc_code.h"
#include "watch/long_waits.h"
#include "watch/proof.h"
#include "watch/sleep.h"
#include "watch/slot_notes.h"
#include "watch/tracked_calls.h"

#define LONGEST_INTERVAL_NS      (2 * (uint64_t)NS_PER_S)
#define LONGEST_CALM_INTERVAL_NS (8 * (uint64_t)NS_PER_S)
enum {
    WRITERS_LIMIT = 64, /* with more stuck writes, locks are not asked for the others */
    COST_RATIO = 1000,  /* at most this fraction of the time goes into looking */
    /* Of CPU since the last scan, but for the watchdog's: the process is as good as idle. */
    IDLE_CPU_NS = NS_PER_MS / 2,
    IDLE_INTERVAL_NS = NS_PER_S,
    COUNT_EVERY_NS = NS_PER_S / 4,
};

static uint64_t next_scan;
static uint64_t
    others_time; /* CPU time of all threads but the watchdog at the last scan, at most */
static uint64_t others_error; /* and how much more it may have been; child: scratch */
static bool seen_running;     /* a thread was on a CPU, or on its way, at the last scan */
static bool seen_new;         /* or one had run since it was last read */
static uint64_t calm_ns;      /* between two scans while nothing of this is; 0: it was */
static uint64_t rest_ns;      /* between two looks whether anything has run; 0: it had */
static uint64_t looked_at;    /* the last of these looks */
/* The calls that the threads were asleep in at the last scan were made in between. */
static uint64_t lowest_pc, highest_pc; /* child: kept, each scan begins them */
/* child: scratch */
static uint64_t soonest_scan; /* once something moves */
static uint64_t cost;         /* how long the next scan must keep away from this one for its cost */
static uint64_t last_cost;    /* the same of that scan alone */
static bool reported_writes;  /* a write is stuck now: locks are worth a scan */
static bool sampled_writes;   /* one was at the last scan */
static uint64_t writers_identity; /* of find_writers() */

void sampler_begin(void)
{
    tracked_calls_begin();
    own_threads_begin();
    slot_notes_begin();
    next_scan = 0;
    others_time = others_error = 0;
    calm_ns = rest_ns = 0;
    looked_at = 0;
    libc_code_begin();
    seen_running = seen_new = true;
    last_cost = 0;
    reported_writes = false;
    writers_identity = 0;
}

struct sample {
    uint64_t now;
    bool slots_are_few; /* so that a thread's is soon found */
    bool same_writers;  /* as in the last scan */
    unsigned writer_count;
    const struct slot *writers[WRITERS_LIMIT]; /* those whose write is reported as stuck */
};

static bool is_write(long number)
{
    const struct call_description *known = call_description(number);
    return known && known->class == CLASS_PIPE_WRITE;
}

static struct slot *slot_of(int tid, unsigned *index)
{
    for (*index = 0; *index < slot_bound(); ++*index) {
        struct slot *slot = slot_at(*index);
        if (slot && slot->tid == tid)
            return slot;
    }
    return NULL;
}

/* The slot speaks for the thread: the watchdog judges it by that. */
static bool slot_covers(int tid, const struct task_call *call)
{
    struct slot_record record;
    unsigned index;
    const struct slot *slot = slot_of(tid, &index);
    return slot && slot_copy(slot, &record) && slot_speaks_for(slot, &record) &&
           record_is_of(&record, call);
}

/* libc's FILE lock is {int lock; int count; void *owner}; the thread waits on its first word. The
 * owner is a thread control block: at the thread pointer on x86_64, less than a page below it on
 * aarch64. */
static const struct slot *holder_of_file_lock(const struct task_call *call,
                                              const struct sample *sample)
{
    enum { CONTROL_BLOCK_BELOW = 4096 };
    struct {
        int32_t lock, count;
        uint64_t owner;
    } lock;
    if (call->number != SYS_futex || (call->arguments[1] & FUTEX_CMD_MASK) != FUTEX_WAIT ||
        !memory_read(context_memory(), call->arguments[0], &lock, sizeof lock) || lock.owner == 0)
        return NULL;
    for (unsigned i = 0; i < sample->writer_count; i++)
        if (sample->writers[i]->thread_pointer - lock.owner < CONTROL_BLOCK_BELOW)
            return sample->writers[i];
    return NULL;
}

/* True if every thread of the process has, by their number. The kernel is asked for it four times
 * a second: that takes as long as all else that is done beside a program which only writes. */
static bool all_have_moved(uint64_t now)
{
    static uint64_t counted_at; /* child: scratch */
    static unsigned count;      /* child: scratch */
    unsigned moved = 0;
    for (unsigned index = 0; index < slot_bound(); index++) {
        const struct slot *slot = slot_at(index);
        moved += slot && slot_has_moved(index, slot) && slot->tid != 0;
    }
    if (moved == 0)
        return false;
    if (now - counted_at >= COUNT_EVERY_NS || count != moved + 1) {
        count = task_count();
        counted_at = now;
    }
    return count == moved + 1; /* and the watchdog */
}

static void note_sequences(void)
{
    for (unsigned index = 0; index < slot_bound(); index++) {
        const struct slot *slot = slot_at(index);
        if (slot)
            slot_note_sampled(index, slot);
    }
}

/* Who waited for none of their locks and has not run does not wait for one now, as long as they are
 * the same. */
static void find_writers(struct sample *sample)
{
    uint64_t identity = 0;
    for (unsigned index = 0; reported_writes && index < slot_bound(); index++) {
        const struct slot *slot = slot_at(index);
        if (!slot || slot->tid == 0 || slot->watch.judged != VERDICT_REPORTED)
            continue;
        identity = (identity * 31 + index) * 31 + slot->watch.sequence;
        if (sample->writer_count < WRITERS_LIMIT)
            sample->writers[sample->writer_count++] = slot;
    }
    sample->same_writers = identity == writers_identity;
    writers_identity = identity;
}

static bool sample_task(int tid, void *context)
{
    const struct sample *sample = context;
    if (tid == atomic_load(&life->watchdog_tid))
        return true;
    unsigned index;
    const struct slot *slot = sample->slots_are_few ? slot_of(tid, &index) : NULL;
    if (slot && slot_has_moved(index, slot)) {
        seen_running = true;
        return true;
    }
    bool known;
    struct task_call call = own_thread_call(tid, &known);
    seen_new |= !known;
    if (call.status == TASK_UNREADABLE) {
        highest_pc = UINT64_MAX;
        return false; /* and so are all the others */
    }
    if (call.status != TASK_IN_CALL) {
        seen_running = true;
        return true;
    }
    lowest_pc = call.pc < lowest_pc ? call.pc : lowest_pc;
    highest_pc = call.pc > highest_pc ? call.pc : highest_pc;
    long_waits_see(tid, &call, sample->now);
    if (is_write(call.number) && !slot_covers(tid, &call)) {
        reported_writes |= tracked_calls_see(tid, &call, sample->now, NULL);
    } else if (sample->writer_count != 0 &&
               (!(known && sample->same_writers) || tracked_calls_has(tid))) {
        const struct slot *owner = holder_of_file_lock(&call, sample);
        if (owner)
            tracked_calls_see(tid, &call, sample->now, owner);
    }
    return true;
}

/* Of CPU, by the others, since the last call; all of it when that was not comparable. */
static uint64_t used_time(uint64_t *error_ns)
{
    uint64_t error;
    uint64_t others = own_threads_time_ns(others_time + others_error, &error);
    uint64_t used = others - others_time;
    *error_ns = error + others_error;
    others_error = error;
    /* At most, where `others` is at least: what interrupts took between the clocks hides no run. */
    others_time = others - error;
    return used;
}

/* False: it must not look. */
static bool sample_all(uint64_t now)
{
    enum { FEW = 256 };
    struct sample sample = {.now = now, .slots_are_few = slot_bound() <= FEW};
    uint64_t began = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    if (!rights_hold())
        return false;
    tracked_calls_begin_round();
    seen_running = seen_new = false;
    rest_ns = 0;
    lowest_pc = UINT64_MAX;
    highest_pc = 0;
    sampled_writes = reported_writes;
    long_waits_begin_round(now);
    find_writers(&sample);
    task_for_each(sample_task, &sample);
    note_sequences();
    uint64_t explaining_ns = tracked_calls_end_round();
    /* What it took, not how long: a watchdog that gets no CPU must not go blind for it. Nor for
     * interrupts, or a hypervisor, in the midst of one scan: the cheaper one of two counts. */
    uint64_t this_cost =
        (clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began - explaining_ns) * COST_RATIO;
    cost = this_cost < last_cost ? this_cost : last_cost;
    last_cost = this_cost;
    return true;
}

/* A program that writes all the time: no thread is in a call for long. */
static bool is_all_moving(uint64_t now)
{
    if (tracked_calls_any() || !all_have_moved(now))
        return false;
    note_sequences();
    seen_running = true;
    others_time = 0;
    cost = 0;
    return true;
}

/* Of very many threads it is not exactly known whether one has run. As long as each look finds that
 * none has, the next one is twice as far away; of few threads no further than where it is known,
 * for a raw system call of Bun's is told as much later. */
static uint64_t calm_interval(bool calm)
{
    enum { MANY_THREADS = 256 };
    if (!calm)
        calm_ns = 0;
    else if (calm_ns < LONGEST_INTERVAL_NS ||
             (calm_ns < LONGEST_CALM_INTERVAL_NS && task_count() > MANY_THREADS))
        calm_ns = calm_ns == 0 ? IDLE_INTERVAL_NS : calm_ns * 2;
    return calm_ns;
}

/* Nothing has run since the last scan. Who was asleep in a call of libc's wakes the watchdog when
 * it makes the next one, as a rule: so looks at whether anything has run may be twice as far apart
 * each time. A thread that calls the kernel itself does not. */
static uint64_t rest_interval(uint64_t now)
{
    looked_at = now;
    if (rest_ns == 0)
        rest_ns = LONGEST_INTERVAL_NS;
    else if (rest_ns < LONGEST_LONG_SLEEP_NS && libc_code_holds(lowest_pc, highest_pc))
        rest_ns = rest_ns * 2 < LONGEST_LONG_SLEEP_NS ? rest_ns * 2 : LONGEST_LONG_SLEEP_NS;
    return rest_ns;
}

/* The watchdog is awake for something else: two wake-ups become one. Not while a report is open: it
 * is awake all the time then. */
static bool may_come_early(uint64_t now, bool stuck)
{
    return rest_ns > LONGEST_INTERVAL_NS && !stuck && now - looked_at >= LONGEST_INTERVAL_NS;
}

static uint64_t largest(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t more = a > b ? a : b;
    return more > c ? more : c;
}

uint64_t sampler_scan(uint64_t now, bool activity, bool stuck)
{
    if (activity && soonest_scan < next_scan)
        next_scan = soonest_scan;
    if (now < next_scan && !may_come_early(now, stuck))
        return next_scan;
    uint64_t interval = context_smallest_threshold_ns() / 2;
    soonest_scan = now + interval;
    reported_writes = stuck;
    if (activity && !reported_writes && is_all_moving(now)) {
        next_scan = now + context_steady_interval_ns();
        return next_scan;
    }
    uint64_t error;
    uint64_t used = used_time(&error);
    bool idle = used < IDLE_CPU_NS && !activity && !tracked_calls_any();
    bool same = reported_writes == sampled_writes;
    /* Nothing that was not seen before, and looked at in the same way. */
    if (idle && used < TASK_NOTHING_RAN_NS && !seen_running && same) {
        next_scan = now + rest_interval(now);
        return next_scan;
    }
    if (!sample_all(now))
        return UINT64_MAX;
    uint64_t calm = calm_interval(idle && same && !seen_new && !seen_running &&
                                  used < error + TASK_NOTHING_RAN_NS);
    idle = idle && !tracked_calls_any() && !reported_writes;
    interval = interval > cost ? interval : cost;
    soonest_scan = now + interval;
    next_scan = now + largest(interval, calm, idle ? IDLE_INTERVAL_NS : 0);
    return next_scan;
}
