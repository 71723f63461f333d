// SPDX-License-Identifier: MIT
/* When a lag of an event loop is told, and with what stack. */
#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/task.h"
#include "report/reporter.h"
#include "watch/context.h"
#include "watch/cpu_stacks.h"
#include "watch/javascript_frames.h"
#include "watch/lag.h"
#include "watch/lag_parts.h"
#include "watch/python_frames.h"
#include "watch/thread_stack.h"

/* A running thread is sampled each 5 ms of its CPU time, of which a busy machine gives it little:
 * so many scans are waited for a sample, then the lag is reported without one. */
enum { SCANS_FOR_SAMPLE = 8 };

/* Once, and not what may have been as short as a busy loop's are. */
static void count_lag(const struct event_loop *loop, struct lag *lag, uint64_t now)
{
    if (!lag->confirmed)
        return;
    lag->confirmed = false;
    lag->statistics.tid = loop->tid;
    lag_account_count(&lag->statistics, now - lag->account.since_ns);
}

void lag_end_unslotted(struct event_loop *loop)
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
    if (lag->is_reported) {
        lag_account_facts(&lag->account, loop->tid, now, &facts);
        if (!report_lag_end(loop->tid, lag->report_seq, lag->is_of_call, &facts))
            return false;
    }
    lag->is_reported = false;
    return true;
}

void lag_end(struct event_loop *loop, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    lag_end_unslotted(loop);
    if (atomic_load(&loop->slot->sequence) != loop->slot->watch.sequence)
        slot_end_report(loop->slot); /* first the call's end, then the loop's */
    count_lag(loop, lag, now);
    cpu_stacks_end(loop->tid);
    lag->lagging = !report_end(loop, now); /* else the next scan ends it */
}

/* A thread that ends in a callback, or after its loop, comes back to no wait. */
void lag_end_with_thread(struct event_loop *loop, uint64_t now)
{
    loop->state = LOOP_LEFT;
    loop->left_at = event_loop_returns(loop);
    lag_of(loop)->confirmed = lag_of(loop)->is_reported;
    lag_end(loop, now);
}

static void end_at_exit(struct event_loop *loop, void *context)
{
    (void)context;
    struct lag *lag = lag_of(loop);
    if (loop->wait_sp != 0)
        lag_count_iterations(loop);
    /* Come back between the watchdog's last scan and the end. */
    bool came_back = lag->lagging && event_loop_returns(loop) != lag->iteration;
    if (came_back || loop->tid == (int)raw_syscall(SYS_gettid))
        lag_end_unslotted(loop);
    if (!came_back)
        return;
    uint64_t now = clock_monotonic_ns();
    count_lag(loop, lag, now);
    report_end(loop, now);
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
        lag_explained_by(loop, &wait->judgement.report, wait->since_ns);
}

void lag_follow_unslotted(struct event_loop *loop, const struct observation *observed, uint64_t now)
{
    struct unslotted_wait *wait = &lag_of(loop)->unslotted;
    uint64_t run_time = task_run_time_ns(loop->tid);
    if (wait->number != observed->call.number || wait->sp != observed->call.sp ||
        wait->run_time_ns != run_time) {
        lag_end_unslotted(loop);
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

bool lag_is_left_to_call(const struct event_loop *loop, const struct observation *observed,
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

void lag_report_now(struct event_loop *loop, const struct memory_reader *memory,
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
