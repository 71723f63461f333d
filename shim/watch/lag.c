// SPDX-License-Identifier: MIT
#include "watch/lag.h"

#include <string.h>

#include "base/clock.h"
#include "kernel/call_table.h"
#include "kernel/task.h"
#include "process/life.h"
#include "report/tell.h"
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
     * little: so many looks are waited for a sample, then the lag is told without one. */
    LOOKS_FOR_SAMPLE = 8,
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
    bool away;
    bool confirmed;      /* two looks saw the same absence */
    uint32_t turn;       /* how often the loop had come back when this absence began */
    uint32_t turns_seen; /* at the last look */
    struct absence absence;
    /* The call that was classified last, for that takes a look at its object: the slot's sequence,
     * or the stack pointer of a call without a slot. */
    uint64_t classified;
    enum call_class class;
    uint64_t told_seq; /* the report that tells of this absence; 0: none, or held back */
    bool told;
    uint32_t ready_sequence; /* of the own wait that it was woken from at the last look; 0: none */
    unsigned waits_for_sample;
    struct unslotted_wait unslotted;
    struct loop_statistics statistics;
};

static struct lag lags[LOOP_LIMIT];

/* What a look saw of a thread that is away. */
struct sight {
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
        lag->away = false;
    }
    return lag;
}

uint64_t lag_ref(const struct event_loop *loop)
{
    return lag_of(loop)->told_seq;
}

void lag_explained_by(const struct event_loop *loop, const struct told *told)
{
    struct lag *lag = lag_of(loop);
    if (lag->told)
        return; /* the call's report refers to the lag's */
    lag->told = true;
    lag->told_seq = told->seq;
}

static bool is_in_own_wait(const struct event_loop *loop, const struct memory_reader *memory,
                           struct sight *sight)
{
    sight->slotted = slot_copy(loop->slot, &sight->record);
    if (!sight->slotted || call_describe(sight->record.call)->class != CLASS_POLL)
        return false;
    /* The usual case needs no system call. */
    struct task_call unknown = {.status = TASK_RUNNING};
    if (event_loop_own_wait(loop, &sight->record, &unknown, memory))
        return true;
    sight->call = task_read_call(loop->tid);
    return event_loop_own_wait(loop, &sight->record, &sight->call, memory);
}

static void begin_absence(const struct event_loop *loop, struct lag *lag, uint32_t turn)
{
    lag->away = true;
    lag->confirmed = false;
    lag->turn = turn;
    lag->told = false;
    lag->told_seq = 0;
    lag->waits_for_sample = 0;
    lag->classified = 0;
    if (!lag->statistics.thread[0]) /* it may be gone at the end */
        task_name(loop->tid, lag->statistics.thread, sizeof lag->statistics.thread);
}

/* --- Where the time goes ---------------------------------------------------------------------- */

/* Names what the thread sleeps in, in the terms of a report. */
static void see_call(struct event_loop *loop, const struct memory_reader *memory,
                     struct sight *sight)
{
    static struct story story; /* only for its class; child: scratch */
    struct kernel_wait wait = kernel_wait_of(&sight->call);
    sight->slotted = sight->slotted && call_may_sleep_in(sight->record.call, sight->call.number) &&
                     sight->record.registers.sp > sight->call.sp;
    if (sight->slotted) {
        const struct door_description *door = call_describe(sight->record.call);
        wait.class = door->class;
        wait.fd = sight->record.fd;
        wait.detail = sight->record.detail;
        sight->name = door->name;
    } else {
        const struct call_description *known = call_description(sight->call.number);
        sight->name = known ? known->name : "a system call";
    }
    uint64_t which = sight->slotted ? sight->record.sequence : sight->call.sp;
    if (lag_of(loop)->classified != which) {
        story.tid = loop->tid;
        story.class = wait.class;
        story.fd = wait.fd;
        wait_object_look(memory, &sight->call, wait.detail, context_permitted_look(), &story);
        lag_of(loop)->classified = which;
        lag_of(loop)->class = story.class;
    }
    sight->class = lag_of(loop)->class;
}

/* --- The statistics --------------------------------------------------------------------------- */

static void count_absence(const struct event_loop *loop, struct lag *lag, uint64_t length)
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

/* --- The stories ------------------------------------------------------------------------------ */

static void end_unslotted(struct event_loop *loop)
{
    struct unslotted_wait *wait = &lag_of(loop)->unslotted;
    judge_returned(loop->tid, &wait->judgement, wait->since_ns);
    *wait = (struct unslotted_wait){.number = -1};
}

/* False if it cannot be told now. */
static bool tell_end(struct event_loop *loop, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    struct lag_facts facts;
    if (lag->told && lag->told_seq != 0) {
        lag_account_facts(&lag->absence, loop->tid, now, &facts);
        if (!tell_lag_end(loop->tid, lag->told_seq, &facts))
            return false;
    }
    lag->told = false;
    return true;
}

static void end_absence(struct event_loop *loop, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    end_unslotted(loop);
    if (atomic_load(&loop->slot->sequence) != loop->slot->watch.sequence)
        slot_end_report(loop->slot); /* first the call's end, then the loop's */
    if (lag->confirmed)              /* else it may have been as short as a busy loop's are */
        count_absence(loop, lag, now - lag->absence.since_ns);
    lag->confirmed = false;
    cpu_stacks_end(loop->tid);
    lag->away = !tell_end(loop, now); /* else the next look ends it */
}

/* A thread that ends in a callback, or after its loop, comes back to no wait. */
static void end_with_thread(struct event_loop *loop, uint64_t now)
{
    loop->state = LOOP_LEFT;
    loop->left_at = event_loop_returns(loop);
    lag_of(loop)->confirmed = lag_of(loop)->told;
    end_absence(loop, now);
}

static void end_at_exit(struct event_loop *loop, void *context)
{
    (void)context;
    /* Told, and come back between the watchdog's last look and the end. */
    if (lag_of(loop)->away && event_loop_returns(loop) != lag_of(loop)->turn)
        tell_end(loop, clock_monotonic_ns());
}

void lag_end_all(void)
{
    event_loops_for_each(end_at_exit, NULL);
}

static void judge_unslotted_wait(struct event_loop *loop, const struct sight *sight,
                                 struct unslotted_wait *wait)
{
    wait->judgement = judge_unslotted(loop, &sight->call, wait->since_ns, lag_ref(loop));
    if (wait->judgement.verdict == VERDICT_REPORTED)
        lag_explained_by(loop, &wait->judgement.told);
}

/* A sleep that no slot speaks for: reported like one that a slot does. Writes are the sampler's. */
static void follow_unslotted(struct event_loop *loop, const struct sight *sight, uint64_t now)
{
    struct unslotted_wait *wait = &lag_of(loop)->unslotted;
    uint64_t run_time = task_run_time_ns(loop->tid);
    if (wait->number != sight->call.number || wait->sp != sight->call.sp ||
        wait->run_time_ns != run_time) {
        end_unslotted(loop);
        wait->number = sight->call.number;
        wait->sp = sight->call.sp;
        wait->run_time_ns = run_time;
        wait->since_ns = now;
    }
    if (wait->judgement.verdict == VERDICT_OPEN && sight->class != CLASS_PIPE_WRITE &&
        now - wait->since_ns >= context_threshold_ns(sight->class))
        judge_unslotted_wait(loop, sight, wait);
    else if (wait->judgement.verdict == VERDICT_REPORTED)
        judge_still(loop->tid, &wait->judgement.told, wait->since_ns, now);
}

/* True if one call takes a good part of this absence and is still to be judged by itself: two
 * reports on one stall would repeat each other. */
static bool is_left_to_call(const struct event_loop *loop, const struct sight *sight, uint64_t now)
{
    if (sight->call.status != TASK_IN_CALL || sight->sleeping_since == 0 ||
        sight->class == CLASS_OTHER)
        return false;
    uint64_t asleep = now - sight->sleeping_since;
    uint32_t judged = sight->slotted ? loop->slot->watch.judged
                                     : (uint32_t)lag_of(loop)->unslotted.judgement.verdict;
    /* A watchdog that got no CPU comes late, and judges the call after this look at the loop. */
    bool to_come = sight->slotted && !loop->slot->watch.was_judged;
    return judged == VERDICT_OPEN && asleep >= (now - lag_of(loop)->absence.since_ns) / 3 &&
           (to_come || asleep < 2 * context_threshold_ns(sight->class));
}

/* Takes the stack: of a sleeping thread the one it sleeps in, of a running one the newest sample.
 */
static bool take_stack(struct event_loop *loop, const struct memory_reader *memory,
                       const struct sight *sight)
{
    bool taken = true;
    thread_stack_clear();
    if (!thread_stack_wanted())
        return true;
    if (sight->call.status != TASK_IN_CALL)
        taken = cpu_stacks_latest(loop->tid, thread_stack_snapshot());
    else if (sight->slotted)
        taken = stack_snapshot_take(memory, &sight->record.registers, thread_stack_snapshot());
    else
        taken = stack_snapshot_take_pc_sp(memory, sight->call.pc, sight->call.sp,
                                          thread_stack_snapshot());
    if (taken)
        thread_stack_unwind(memory);
    return taken;
}

static void tell(struct event_loop *loop, const struct memory_reader *memory,
                 const struct sight *sight, uint64_t now)
{
    static struct story story; /* child: scratch */
    struct lag *lag = lag_of(loop);
    struct lag_facts facts;
    bool runs = sight->call.status != TASK_IN_CALL;
    bool taken = take_stack(loop, memory, sight);
    if (!taken && runs && cpu_stacks_begin(loop->tid) && lag->waits_for_sample++ < LOOKS_FOR_SAMPLE)
        return;
    lag_account_facts(&lag->absence, loop->tid, now, &facts);
    memset(&story, 0, sizeof story);
    story.tid = loop->tid;
    story.class = facts.cause == CAUSE_STARVED ? CLASS_CPU : (enum call_class)facts.cause;
    story.fd = -1;
    story.loop = true;
    story.running = runs;
    story.starting = now - loop->since_ns < NS_PER_S;
    story.blocked_ns = facts.lag_ns;
    story.threshold_ns = facts.threshold_ns;
    story.begun_ns = now;
    task_name(loop->tid, story.thread, sizeof story.thread);
    thread_stack_name(memory, &story);
    if (runs)
        python_frames_add_running(memory, &story);
    else
        python_frames_add(memory, &story);
    javascript_frames_add(memory, thread_stack_trace(), thread_stack_snapshot(), &story);
    if (event_loop_is_left(loop, &story))
        return;
    struct told told = tell_lag(&story, &facts);
    if (told.untold)
        return;
    lag->told = true;
    lag->told_seq = told.seq;
}

static uint64_t sleeping_since(const struct event_loop *loop, const struct sight *sight)
{
    if (sight->slotted)
        return loop->slot->watch.sequence == sight->record.sequence ? loop->slot->watch.since_ns
                                                                    : 0;
    return lag_of(loop)->unslotted.since_ns;
}

static void look_at_absent(struct event_loop *loop, const struct memory_reader *memory,
                           struct sight *sight, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    lag->confirmed = true;
    sight->call = task_read_call(loop->tid);
    if (sight->call.status == TASK_GONE) {
        end_with_thread(loop, now);
        return;
    }
    /* Kept for the end, which may be the thread's. */
    lag_account_schedule(&lag->absence, loop->tid);
    bool sleeps = sight->call.status == TASK_IN_CALL;
    if (sleeps)
        see_call(loop, memory, sight);
    if (sleeps && !sight->slotted)
        follow_unslotted(loop, sight, now);
    else if (lag->unslotted.number >= 0)
        end_unslotted(loop);
    if (sleeps) {
        sight->sleeping_since = sleeping_since(loop, sight);
        lag_account_call(&lag->absence, sight->name, sight->class, now);
    } else {
        lag_account_running(&lag->absence, now);
    }
    uint64_t away = now - lag->absence.since_ns;
    if (lag->told || loop->state == LOOP_LEFT)
        return;
    if (!sleeps && away >= context_lag_threshold_ns() / 2)
        cpu_stacks_begin(loop->tid);
    if (away >= context_lag_threshold_ns() && !is_left_to_call(loop, sight, now))
        tell(loop, memory, sight, now);
}

/* In its own wait, woken, and not out of it a look later: it is ready and gets no CPU. */
static bool is_ready_only(struct event_loop *loop, struct sight *sight)
{
    if (sight->call.status != TASK_IN_CALL)
        sight->call = task_read_call(loop->tid);
    bool before = lag_of(loop)->ready_sequence == sight->record.sequence;
    bool now = sight->call.status == TASK_RUNNING;
    lag_of(loop)->ready_sequence = now ? sight->record.sequence : 0;
    return before && now;
}

struct lag_look lag_look(struct event_loop *loop, const struct memory_reader *memory, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    struct sight sight = {.call = {.status = TASK_RUNNING}};
    struct lag_look here = {.away = false};
    if (loop->wait_sp == 0)
        return here; /* it has not made its wait yet: nothing that it could be away from */
    uint32_t turn = event_loop_returns(loop);
    /* The count begins anew when the loop's wait turns out to be another one. */
    lag->statistics.turns += turn >= lag->turns_seen ? turn - lag->turns_seen : turn;
    lag->turns_seen = turn;
    bool waits = is_in_own_wait(loop, memory, &sight) && !is_ready_only(loop, &sight);
    if (lag->away && (waits || turn != lag->turn))
        end_absence(loop, now);
    if (waits) {
        here.away = lag->ready_sequence != 0;
        here.again = UINT64_MAX;
        return here;
    }
    if (!lag->away) {
        /* The wait's return woke the watchdog and noted the time, or the look before saw the wait.
         */
        uint64_t claimed = loop->slot->claimed_ns;
        bool fresh =
            claimed > lag->absence.looked_ns && claimed < now && now - claimed < LAG_FRESH_NS;
        begin_absence(loop, lag, turn);
        lag_account_begin(&lag->absence, loop->tid, fresh ? claimed : now, now);
    } else {
        look_at_absent(loop, memory, &sight, now);
    }
    uint64_t due = lag->absence.since_ns + context_lag_threshold_ns();
    return (struct lag_look){.away = true, .again = due > now ? due : UINT64_MAX};
}
