// SPDX-License-Identifier: MIT
#include "watch/lag.h"

#include <string.h>

#include "base/clock.h"
#include "kernel/call_table.h"
#include "kernel/task.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/context.h"
#include "watch/cpu_stacks.h"
#include "watch/javascript_frames.h"
#include "watch/judge.h"
#include "watch/kernel_wait.h"
#include "watch/lag_account.h"
#include "watch/python_frames.h"
#include "watch/thread_stack.h"
#include "watch/wait_object.h"

enum {
    /* A running thread is sampled each 5 ms of its CPU time, of which a busy machine gives it
     * little: so many scans are waited for a sample, then the lag is reported without one. */
    SCANS_FOR_SAMPLE = 8,
    /* A slot's claim is the wait's return only if it is so young. */
    LAG_FRESH_NS = 20 * NS_PER_MS,
};

/* A sleep on a loop thread that no slot speaks for. */
struct unslotted_wait {
    long number; /* -1: none */
    uint64_t sp, run_time_ns, since_ns;
    struct judgement judgement;
};

/* What is known of one loop, beside what event_loops.h knows. */
struct lag {
    uint32_t generation, runs, waits_seen; /* of the loop, when this was written */
    bool lagging;
    bool confirmed;           /* two scans saw the same lag */
    uint32_t iteration;       /* how often the loop had come back when this lag began */
    uint32_t iterations_seen; /* at the last scan */
    struct lag_account account;
    /* The call that was classified last, for that takes a look at its object: the slot's sequence,
     * or the stack pointer of a call without a slot. */
    uint64_t classified;
    enum call_class class;
    uint64_t report_seq; /* the report that tells of this lag; 0: none, or held back */
    bool is_reported;
    uint32_t ready_sequence; /* of the own wait that it was woken from at the last scan; 0: none */
    unsigned waits_for_sample;
    struct unslotted_wait unslotted;
    struct loop_statistics statistics;
};

static struct lag lags[LOOP_LIMIT];

/* What a scan saw of a thread that is away. */
struct observation {
    struct task_call call;
    bool slotted; /* a slot speaks for the call */
    struct slot_record record;
    enum call_class class; /* of the call that it sleeps in */
    const char *name;
    uint64_t sleeping_since;
};

void lag_begin(void)
{
    for (unsigned i = 0; i < LOOP_LIMIT; i++)
        if (lags[i].generation != 0)
            memset(&lags[i], 0, sizeof lags[i]);
}

static struct lag *lag_of(const struct event_loop *loop)
{
    struct lag *lag = &lags[event_loop_index(loop)];
    if (lag->generation != loop->generation || lag->runs != loop->runs) {
        struct loop_statistics kept = {0};
        if (lag->generation == loop->generation) /* the same loop, run again */
            kept = lag->statistics;
        *lag = (struct lag){.generation = loop->generation,
                            .runs = loop->runs,
                            .waits_seen = loop->waits_seen,
                            .statistics = kept};
    }
    if (lag->waits_seen != loop->waits_seen) {
        lag->waits_seen = loop->waits_seen;
        lag->lagging = false;
    }
    return lag;
}

uint64_t lag_ref(const struct event_loop *loop)
{
    return lag_of(loop)->report_seq;
}

void lag_explained_by(const struct event_loop *loop, const struct report_ref *report)
{
    struct lag *lag = lag_of(loop);
    if (lag->is_reported)
        return; /* the call's report refers to the lag's */
    lag->is_reported = true;
    lag->report_seq = report->seq;
}

static bool is_in_own_wait(const struct event_loop *loop, const struct memory_reader *memory,
                           struct observation *observed)
{
    observed->slotted = slot_copy(loop->slot, &observed->record);
    if (!observed->slotted || call_describe(observed->record.call)->class != CLASS_POLL)
        return false;
    /* The usual case needs no system call. */
    struct task_call unknown = {.status = TASK_RUNNING};
    if (event_loop_own_wait(loop, &observed->record, &unknown, memory))
        return true;
    observed->call = task_read_call(loop->tid);
    return event_loop_own_wait(loop, &observed->record, &observed->call, memory);
}

static void begin_lag(const struct event_loop *loop, struct lag *lag, uint32_t iteration)
{
    lag->lagging = true;
    lag->confirmed = false;
    lag->iteration = iteration;
    lag->is_reported = false;
    lag->report_seq = 0;
    lag->waits_for_sample = 0;
    lag->classified = 0;
    if (!lag->statistics.thread[0]) /* it may be gone at the end */
        task_name(loop->tid, lag->statistics.thread, sizeof lag->statistics.thread);
}

/* --- Where the time goes ---------------------------------------------------------------------- */

/* Names what the thread sleeps in, in the terms of a report. */
static void see_call(struct event_loop *loop, const struct memory_reader *memory,
                     struct observation *observed)
{
    static struct incident incident; /* only for its class; child: scratch */
    struct kernel_wait wait = kernel_wait_of(&observed->call);
    observed->slotted = observed->slotted && slot_speaks_for(loop->slot, &observed->record) &&
                        record_is_of(&observed->record, &observed->call);
    if (observed->slotted) {
        const struct door_description *door = call_describe(observed->record.call);
        wait.class = door->class;
        wait.fd = observed->record.fd;
        wait.detail = observed->record.detail;
        observed->name = door->name;
    } else {
        const struct call_description *known = call_description(observed->call.number);
        observed->name = known ? known->name : "a system call";
    }
    uint64_t which = observed->slotted ? observed->record.sequence : observed->call.sp;
    if (lag_of(loop)->classified != which) {
        incident.tid = loop->tid;
        incident.class = wait.class;
        incident.fd = wait.fd;
        wait_object_read(memory, &observed->call, wait.detail, context_permitted_access(),
                         &incident);
        lag_of(loop)->classified = which;
        lag_of(loop)->class = incident.class;
    }
    observed->class = lag_of(loop)->class;
}

/* --- The statistics --------------------------------------------------------------------------- */

static void count_lag(const struct event_loop *loop, struct lag *lag, uint64_t length)
{
    lag->statistics.tid = loop->tid;
    lag_account_count(&lag->statistics, length);
}

struct collector {
    struct loop_statistics *out;
    unsigned limit, count;
};

static void collect(struct event_loop *loop, void *context)
{
    struct collector *collector = context;
    if (collector->count == collector->limit)
        return;
    struct loop_statistics *out = &collector->out[collector->count];
    *out = lag_of(loop)->statistics;
    if (out->tid != 0) /* else it was never seen away */
        collector->count++;
}

unsigned lag_statistics(struct loop_statistics *out, unsigned limit)
{
    struct collector collector = {out, limit, 0};
    event_loops_for_each(collect, &collector);
    return collector.count;
}

/* --- The reports ---------------------------------------------------------------------------- */

static void end_unslotted(struct event_loop *loop)
{
    struct unslotted_wait *wait = &lag_of(loop)->unslotted;
    judge_returned(loop->tid, &wait->judgement, wait->since_ns);
    *wait = (struct unslotted_wait){.number = -1};
}

/* False if it cannot be reported now. */
static bool report_end(struct event_loop *loop, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    struct lag_facts facts;
    if (lag->is_reported && lag->report_seq != 0) {
        lag_account_facts(&lag->account, loop->tid, now, &facts);
        if (!report_lag_end(loop->tid, lag->report_seq, &facts))
            return false;
    }
    lag->is_reported = false;
    return true;
}

static void end_lag(struct event_loop *loop, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    end_unslotted(loop);
    if (atomic_load(&loop->slot->sequence) != loop->slot->watch.sequence)
        slot_end_report(loop->slot); /* first the call's end, then the loop's */
    if (lag->confirmed)              /* else it may have been as short as a busy loop's are */
        count_lag(loop, lag, now - lag->account.since_ns);
    lag->confirmed = false;
    cpu_stacks_end(loop->tid);
    lag->lagging = !report_end(loop, now); /* else the next scan ends it */
}

/* A thread that ends in a callback, or after its loop, comes back to no wait. */
static void end_with_thread(struct event_loop *loop, uint64_t now)
{
    loop->state = LOOP_LEFT;
    loop->left_at = event_loop_returns(loop);
    lag_of(loop)->confirmed = lag_of(loop)->is_reported;
    end_lag(loop, now);
}

static void end_at_exit(struct event_loop *loop, void *context)
{
    (void)context;
    /* Reported, and come back between the watchdog's last scan and the end. */
    if (lag_of(loop)->lagging && event_loop_returns(loop) != lag_of(loop)->iteration)
        report_end(loop, clock_monotonic_ns());
}

void lag_end_all(void)
{
    event_loops_for_each(end_at_exit, NULL);
}

static void judge_unslotted_wait(struct event_loop *loop, const struct observation *observed,
                                 struct unslotted_wait *wait)
{
    wait->judgement = judge_unslotted(loop, &observed->call, wait->since_ns, lag_ref(loop));
    if (wait->judgement.verdict == VERDICT_REPORTED)
        lag_explained_by(loop, &wait->judgement.report);
}

/* A sleep that no slot speaks for: reported like one that a slot does. Writes are the sampler's. */
static void follow_unslotted(struct event_loop *loop, const struct observation *observed,
                             uint64_t now)
{
    struct unslotted_wait *wait = &lag_of(loop)->unslotted;
    uint64_t run_time = task_run_time_ns(loop->tid);
    if (wait->number != observed->call.number || wait->sp != observed->call.sp ||
        wait->run_time_ns != run_time) {
        end_unslotted(loop);
        wait->number = observed->call.number;
        wait->sp = observed->call.sp;
        wait->run_time_ns = run_time;
        wait->since_ns = now;
    }
    if (wait->judgement.verdict == VERDICT_OPEN && observed->class != CLASS_PIPE_WRITE &&
        now - wait->since_ns >= context_threshold_ns(observed->class))
        judge_unslotted_wait(loop, observed, wait);
    else if (wait->judgement.verdict == VERDICT_REPORTED)
        judge_still(loop->tid, &wait->judgement.report, wait->since_ns, now);
}

/* True if one call takes a good part of this lag and is still to be judged by itself: two
 * reports on one stall would repeat each other. */
static bool is_left_to_call(const struct event_loop *loop, const struct observation *observed,
                            uint64_t now)
{
    if (observed->call.status != TASK_IN_CALL || observed->sleeping_since == 0 ||
        observed->class == CLASS_OTHER)
        return false;
    uint64_t asleep = now - observed->sleeping_since;
    uint32_t judged = observed->slotted ? loop->slot->watch.judged
                                        : (uint32_t)lag_of(loop)->unslotted.judgement.verdict;
    /* A watchdog that got no CPU comes late, and judges the call after this look at the loop. */
    bool to_come = observed->slotted && !loop->slot->watch.was_judged;
    return judged == VERDICT_OPEN && asleep >= (now - lag_of(loop)->account.since_ns) / 3 &&
           (to_come || asleep < 2 * context_threshold_ns(observed->class));
}

/* Takes the stack: of a sleeping thread the one it sleeps in, of a running one the newest sample.
 */
static bool take_stack(struct event_loop *loop, const struct memory_reader *memory,
                       const struct observation *observed)
{
    bool taken = true;
    thread_stack_clear();
    if (!thread_stack_wanted())
        return true;
    if (observed->call.status != TASK_IN_CALL)
        taken = cpu_stacks_latest(loop->tid, thread_stack_snapshot());
    else if (observed->slotted)
        taken = thread_stack_take(memory, loop->slot, &observed->record);
    else
        taken = stack_snapshot_take_pc_sp(memory, observed->call.pc, observed->call.sp,
                                          thread_stack_snapshot());
    if (taken)
        thread_stack_unwind(memory);
    return taken;
}

static void report_now(struct event_loop *loop, const struct memory_reader *memory,
                       const struct observation *observed, uint64_t now)
{
    static struct incident incident; /* child: scratch */
    struct lag *lag = lag_of(loop);
    struct lag_facts facts;
    bool runs = observed->call.status != TASK_IN_CALL;
    bool taken = take_stack(loop, memory, observed);
    if (!taken && runs && cpu_stacks_begin(loop->tid) && lag->waits_for_sample++ < SCANS_FOR_SAMPLE)
        return;
    lag_account_facts(&lag->account, loop->tid, now, &facts);
    memset(&incident, 0, sizeof incident);
    incident.tid = loop->tid;
    incident.class = facts.cause == CAUSE_STARVED ? CLASS_CPU : (enum call_class)facts.cause;
    incident.fd = -1;
    incident.loop = true;
    incident.running = runs;
    incident.starting = now - loop->since_ns < NS_PER_S;
    incident.blocked_ns = facts.lag_ns;
    incident.threshold_ns = facts.threshold_ns;
    incident.begun_ns = now;
    task_name(loop->tid, incident.thread, sizeof incident.thread);
    thread_stack_name(memory, &incident);
    if (runs)
        python_frames_add_running(memory, &incident);
    else
        python_frames_add(memory, &incident);
    javascript_frames_add(memory, thread_stack_trace(), thread_stack_snapshot(), &incident);
    if (event_loop_is_left(loop, &incident))
        return;
    struct report_ref report = report_lag(&incident, &facts);
    if (report.deferred)
        return;
    lag->is_reported = true;
    lag->report_seq = report.seq;
}

static uint64_t sleeping_since(const struct event_loop *loop, const struct observation *observed)
{
    if (observed->slotted)
        return loop->slot->watch.sequence == observed->record.sequence ? loop->slot->watch.since_ns
                                                                       : 0;
    return lag_of(loop)->unslotted.since_ns;
}

static void follow_lag(struct event_loop *loop, const struct memory_reader *memory,
                       struct observation *observed, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    lag->confirmed = true;
    observed->call = task_read_call(loop->tid);
    if (observed->call.status == TASK_GONE) {
        end_with_thread(loop, now);
        return;
    }
    /* Kept for the end, which may be the thread's. */
    lag_account_schedule(&lag->account, loop->tid);
    bool sleeps = observed->call.status == TASK_IN_CALL;
    if (sleeps)
        see_call(loop, memory, observed);
    if (sleeps && !observed->slotted)
        follow_unslotted(loop, observed, now);
    else if (lag->unslotted.number >= 0)
        end_unslotted(loop);
    if (sleeps) {
        observed->sleeping_since = sleeping_since(loop, observed);
        lag_account_call(&lag->account, observed->name, observed->class, now);
    } else {
        lag_account_running(&lag->account, now);
    }
    uint64_t lagging = now - lag->account.since_ns;
    if (lag->is_reported || loop->state == LOOP_LEFT)
        return;
    if (!sleeps && lagging >= context_lag_threshold_ns() / 2)
        cpu_stacks_begin(loop->tid);
    if (lagging >= context_lag_threshold_ns() && !is_left_to_call(loop, observed, now))
        report_now(loop, memory, observed, now);
}

/* In its own wait, woken, and not out of it a scan later: it is ready and gets no CPU. */
static bool is_ready_only(struct event_loop *loop, struct observation *observed)
{
    if (observed->call.status != TASK_IN_CALL)
        observed->call = task_read_call(loop->tid);
    bool before = lag_of(loop)->ready_sequence == observed->record.sequence;
    bool now = observed->call.status == TASK_RUNNING;
    lag_of(loop)->ready_sequence = now ? observed->record.sequence : 0;
    return before && now;
}

struct lag_scan lag_scan(struct event_loop *loop, const struct memory_reader *memory, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    struct observation observed = {.call = {.status = TASK_RUNNING}};
    struct lag_scan here = {.lagging = false};
    if (loop->wait_sp == 0)
        return here; /* it has not made its wait yet: nothing that it could be away from */
    uint32_t iteration = event_loop_returns(loop);
    /* The count begins anew when the loop's wait turns out to be another one. */
    lag->statistics.iterations +=
        iteration >= lag->iterations_seen ? iteration - lag->iterations_seen : iteration;
    lag->iterations_seen = iteration;
    bool waits = is_in_own_wait(loop, memory, &observed) && !is_ready_only(loop, &observed);
    if (lag->lagging && (waits || iteration != lag->iteration))
        end_lag(loop, now);
    if (waits) {
        here.lagging = lag->ready_sequence != 0;
        here.again = UINT64_MAX;
        return here;
    }
    if (!lag->lagging) {
        /* The wait's return woke the watchdog and noted the time, or the scan before saw the wait.
         */
        uint64_t claimed = loop->slot->claimed_ns;
        bool fresh =
            claimed > lag->account.scanned_ns && claimed < now && now - claimed < LAG_FRESH_NS;
        begin_lag(loop, lag, iteration);
        lag_account_begin(&lag->account, loop->tid, fresh ? claimed : now, now);
    } else {
        follow_lag(loop, memory, &observed, now);
    }
    uint64_t due = lag->account.since_ns + context_lag_threshold_ns();
    return (struct lag_scan){.lagging = true, .again = due > now ? due : UINT64_MAX};
}
