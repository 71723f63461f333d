// SPDX-License-Identifier: MIT
#include "watch/lag.h"

#include <string.h>

#include "base/clock.h"
#include "base/text_buffer.h"
#include "kernel/call_table.h"
#include "kernel/object_look.h"
#include "process/life.h"
#include "report/tell.h"
#include "watch/cpu_stacks.h"
#include "watch/event_loops.h"
#include "watch/kernel_wait.h"
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

/* What a look saw of a thread that is away. */
struct sight {
    struct task_call call;
    bool slotted; /* a slot speaks for the call */
    struct slot_record record;
    enum call_class class; /* of the call that it sleeps in */
    const char *name;
    uint64_t sleeping_since;
};

uint64_t lag_threshold_ns(void)
{
    return settings_threshold_ns(&settings, CLASS_CPU);
}

void lag_explained_by(struct event_loop *loop, const struct told *told)
{
    struct lag *lag = &loop->lag;
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

/* --- Where the time goes ---------------------------------------------------------------------- */

static void begin_absence(struct lag *lag, int tid, uint32_t turn, uint64_t since, uint64_t now)
{
    lag->away = true;
    lag->confirmed = false;
    lag->turn = turn;
    lag->since_ns = since;
    lag->looked_ns = now;
    memset(lag->seen_ns, 0, sizeof lag->seen_ns);
    lag->seen_running_ns = 0;
    memset(lag->calls, 0, sizeof lag->calls);
    lag->told = false;
    lag->told_seq = 0;
    lag->waits_for_sample = 0;
    lag->classified = 0;
    if (!task_schedule_ns(tid, &lag->run_ns, &lag->delay_ns))
        lag->run_ns = lag->delay_ns = UINT64_MAX;
    if (!lag->statistics.thread[0]) /* it may be gone at the end */
        task_name(tid, lag->statistics.thread, sizeof lag->statistics.thread);
    lag->last_run_ns = lag->run_ns;
    lag->last_delay_ns = lag->delay_ns;
}

static void count_call(struct lag *lag, const char *name, enum call_class class, uint64_t ns)
{
    unsigned at = 0;
    while (at < LAG_CALL_LIMIT && lag->calls[at].ns != 0 && strcmp(lag->calls[at].name, name) != 0)
        at++;
    if (at == LAG_CALL_LIMIT) {
        at = LAG_CALL_LIMIT - 1; /* the smallest makes room */
        lag->calls[at].ns = 0;
    }
    if (lag->calls[at].ns == 0) {
        struct text_buffer text;
        text_init(&text, lag->calls[at].name, sizeof lag->calls[at].name);
        text_string(&text, name);
        lag->calls[at].class = class;
    }
    lag->calls[at].ns += ns;
    for (; at > 0 && lag->calls[at].ns > lag->calls[at - 1].ns; at--) {
        struct lag_call larger = lag->calls[at];
        lag->calls[at] = lag->calls[at - 1];
        lag->calls[at - 1] = larger;
    }
}

/* Names what the thread sleeps in, in the terms of a report. */
static void see_call(struct event_loop *loop, const struct memory_reader *memory,
                     struct sight *sight)
{
    static struct story story; /* only for its class */
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
    if (loop->lag.classified != which) {
        story.tid = loop->tid;
        story.class = wait.class;
        story.fd = wait.fd;
        wait_object_look(memory, &sight->call, wait.detail, judge_permitted_look(), &story);
        loop->lag.classified = which;
        loop->lag.class = story.class;
    }
    sight->class = loop->lag.class;
}

static void count_sight(struct lag *lag, const struct sight *sight, uint64_t now)
{
    uint64_t elapsed = now - lag->looked_ns;
    lag->looked_ns = now;
    if (sight->call.status != TASK_IN_CALL) {
        lag->seen_running_ns += elapsed;
        return;
    }
    lag->seen_ns[sight->class] += elapsed;
    count_call(lag, sight->name, sight->class, elapsed);
}

static void find_cause(struct lag_facts *facts)
{
    facts->cause = CLASS_CPU;
    for (unsigned i = 0; i < CAUSE_COUNT; i++)
        if (facts->share_ns[i] > facts->share_ns[facts->cause])
            facts->cause = i;
}

/* CPU and waiting for it as the scheduler counted them, the rest as it was seen. */
static void fill_facts(const struct lag *lag, int tid, uint64_t now, struct lag_facts *facts)
{
    uint64_t run = lag->last_run_ns;
    uint64_t delay = lag->last_delay_ns;
    uint64_t seen = 0;
    memset(facts, 0, sizeof *facts);
    facts->lag_ns = now - lag->since_ns;
    facts->threshold_ns = lag_threshold_ns();
    uint64_t rest = facts->lag_ns;
    task_schedule_ns(tid, &run, &delay);
    if (lag->run_ns != UINT64_MAX) {
        uint64_t ran = run - lag->run_ns;
        uint64_t starved = delay - lag->delay_ns;
        facts->share_ns[CLASS_CPU] = ran < rest ? ran : rest;
        rest -= facts->share_ns[CLASS_CPU];
        facts->share_ns[CAUSE_STARVED] = starved < rest ? starved : rest;
        rest -= facts->share_ns[CAUSE_STARVED];
        /* A wait for the CPU is counted when it ends: what was seen ready and did not run, waits.
         */
        uint64_t counted = facts->lag_ns - rest;
        uint64_t waiting = lag->seen_running_ns > counted ? lag->seen_running_ns - counted : 0;
        if (waiting > rest)
            waiting = rest;
        facts->share_ns[CAUSE_STARVED] += waiting;
        rest -= waiting;
    }
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        seen += lag->seen_ns[i];
    for (unsigned i = 0; i < CLASS_COUNT && seen != 0; i++)
        facts->share_ns[i] += (uint64_t)((double)rest * (double)lag->seen_ns[i] / (double)seen);
    if (seen == 0)
        facts->share_ns[CLASS_OTHER] += rest;
    while (facts->call_count < LAG_CALL_LIMIT && lag->calls[facts->call_count].ns != 0) {
        facts->calls[facts->call_count] = lag->calls[facts->call_count];
        facts->call_count++;
    }
    find_cause(facts);
}

/* --- The statistics --------------------------------------------------------------------------- */

static void count_absence(struct event_loop *loop, uint64_t length)
{
    struct loop_statistics *statistics = &loop->lag.statistics;
    uint64_t ms = length / NS_PER_MS;
    unsigned bucket = ms == 0 ? 0 : 64 - (unsigned)__builtin_clzll(ms);
    statistics->tid = loop->tid;
    statistics->absences[bucket < LAG_BUCKETS ? bucket : LAG_BUCKETS - 1]++;
    if (length >= lag_threshold_ns())
        statistics->lags++;
    if (length > statistics->lag_max_ns)
        statistics->lag_max_ns = length;
}

struct collector {
    struct loop_statistics *out;
    unsigned limit, count;
};

static void collect(const struct event_loop *loop, void *context)
{
    struct collector *collector = context;
    if (collector->count == collector->limit)
        return;
    struct loop_statistics *out = &collector->out[collector->count];
    *out = loop->lag.statistics;
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
    struct unslotted_wait *wait = &loop->lag.unslotted;
    judge_returned(loop->tid, &wait->judgement, wait->since_ns);
    *wait = (struct unslotted_wait){.number = -1};
}

/* Once, whoever comes first: the watchdog, or the thread that exits. */
static void tell_end(struct event_loop *loop, uint64_t now)
{
    struct lag *lag = &loop->lag;
    struct lag_facts facts;
    if (!__atomic_exchange_n(&lag->told, false, __ATOMIC_ACQ_REL) || lag->told_seq == 0)
        return;
    atomic_fetch_add(&life->ends_told, 1);
    fill_facts(lag, loop->tid, now, &facts);
    tell_lag_end(loop->tid, lag->told_seq, &facts);
    atomic_fetch_sub(&life->ends_told, 1);
}

static void end_absence(struct event_loop *loop, uint64_t now)
{
    struct lag *lag = &loop->lag;
    end_unslotted(loop);
    if (atomic_load(&loop->slot->sequence) != loop->slot->watch.sequence)
        slot_end_report(loop->slot); /* first the call's end, then the loop's */
    if (lag->confirmed)              /* else it may have been as short as a busy loop's are */
        count_absence(loop, now - lag->since_ns);
    cpu_stacks_end(loop->tid);
    lag->away = false;
    tell_end(loop, now);
}

/* A thread that ends in a callback, or after its loop, comes back to no wait. */
static void end_with_thread(struct event_loop *loop, uint64_t now)
{
    loop->state = LOOP_LEFT;
    loop->left_at = event_loop_returns(loop);
    loop->lag.confirmed = loop->lag.told;
    end_absence(loop, now);
}

static void end_at_exit(const struct event_loop *loop, void *context)
{
    (void)context;
    /* Told, and come back between the watchdog's last look and the end. */
    if (loop->lag.away && event_loop_returns(loop) != loop->lag.turn)
        tell_end((struct event_loop *)loop, clock_monotonic_ns());
}

void lag_end_all(void)
{
    event_loops_for_each(end_at_exit, NULL);
}

/* A sleep that no slot speaks for: reported like one that a slot does. Writes are the sampler's. */
static void follow_unslotted(struct event_loop *loop, const struct sight *sight, uint64_t now)
{
    struct unslotted_wait *wait = &loop->lag.unslotted;
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
        now - wait->since_ns >= judge_threshold_ns(sight->class))
        wait->judgement = judge_unslotted(loop, &sight->call, wait->since_ns);
}

/* True if one call takes a good part of this absence and is still to be judged by itself: two
 * reports on one stall would repeat each other. */
static bool is_left_to_call(const struct event_loop *loop, const struct sight *sight, uint64_t now)
{
    if (sight->call.status != TASK_IN_CALL || sight->sleeping_since == 0 ||
        sight->class == CLASS_OTHER)
        return false;
    uint64_t asleep = now - sight->sleeping_since;
    uint32_t judged =
        sight->slotted ? loop->slot->watch.judged : (uint32_t)loop->lag.unslotted.judgement.verdict;
    /* A watchdog that got no CPU comes late, and judges the call after this look at the loop. */
    bool to_come = sight->slotted && !loop->slot->watch.was_judged;
    return judged == VERDICT_OPEN && asleep >= (now - loop->lag.since_ns) / 3 &&
           (to_come || asleep < 2 * judge_threshold_ns(sight->class));
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
    static struct story story;
    struct lag *lag = &loop->lag;
    struct lag_facts facts;
    bool runs = sight->call.status != TASK_IN_CALL;
    bool taken = take_stack(loop, memory, sight);
    if (!taken && runs && cpu_stacks_begin(loop->tid) && lag->waits_for_sample++ < LOOKS_FOR_SAMPLE)
        return;
    fill_facts(lag, loop->tid, now, &facts);
    memset(&story, 0, sizeof story);
    story.tid = loop->tid;
    story.class = facts.cause == CAUSE_STARVED ? CLASS_CPU : (enum call_class)facts.cause;
    story.fd = -1;
    story.loop = true;
    story.blocked_ns = facts.lag_ns;
    story.threshold_ns = facts.threshold_ns;
    story.begun_ns = now;
    task_name(loop->tid, story.thread, sizeof story.thread);
    thread_stack_name(memory, &story);
    if (runs)
        python_frames_add_running(memory, &story);
    else
        python_frames_add(memory, &story);
    if (event_loop_is_left(loop, &story))
        return;
    struct told told = tell_lag(&story, &facts);
    lag->told = true;
    lag->told_seq = told.seq;
}

static uint64_t sleeping_since(const struct event_loop *loop, const struct sight *sight)
{
    if (sight->slotted)
        return loop->slot->watch.sequence == sight->record.sequence ? loop->slot->watch.since_ns
                                                                    : 0;
    return loop->lag.unslotted.since_ns;
}

static void look_at_absent(struct event_loop *loop, const struct memory_reader *memory,
                           struct sight *sight, uint64_t now)
{
    struct lag *lag = &loop->lag;
    lag->confirmed = true;
    sight->call = task_read_call(loop->tid);
    if (sight->call.status == TASK_GONE) {
        end_with_thread(loop, now);
        return;
    }
    /* Kept for the end, which may be the thread's. */
    task_schedule_ns(loop->tid, &lag->last_run_ns, &lag->last_delay_ns);
    bool sleeps = sight->call.status == TASK_IN_CALL;
    if (sleeps)
        see_call(loop, memory, sight);
    if (sleeps && !sight->slotted)
        follow_unslotted(loop, sight, now);
    else if (lag->unslotted.number >= 0)
        end_unslotted(loop);
    if (sleeps)
        sight->sleeping_since = sleeping_since(loop, sight);
    count_sight(lag, sight, now);
    uint64_t away = now - lag->since_ns;
    if (lag->told || loop->state == LOOP_LEFT)
        return;
    if (!sleeps && away >= lag_threshold_ns() / 2)
        cpu_stacks_begin(loop->tid);
    if (away >= lag_threshold_ns() && !is_left_to_call(loop, sight, now))
        tell(loop, memory, sight, now);
}

/* In its own wait, woken, and not out of it a look later: it is ready and gets no CPU. */
static bool is_ready_only(struct event_loop *loop, struct sight *sight)
{
    if (sight->call.status != TASK_IN_CALL)
        sight->call = task_read_call(loop->tid);
    bool before = loop->lag.ready_sequence == sight->record.sequence;
    bool now = sight->call.status == TASK_RUNNING;
    loop->lag.ready_sequence = now ? sight->record.sequence : 0;
    return before && now;
}

struct lag_look lag_look(struct event_loop *loop, const struct memory_reader *memory, uint64_t now)
{
    struct lag *lag = &loop->lag;
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
        bool fresh = claimed > lag->looked_ns && claimed < now && now - claimed < LAG_FRESH_NS;
        begin_absence(lag, loop->tid, turn, fresh ? claimed : now, now);
    } else {
        look_at_absent(loop, memory, &sight, now);
    }
    uint64_t due = lag->since_ns + lag_threshold_ns();
    return (struct lag_look){.away = true, .again = due > now ? due : UINT64_MAX};
}
