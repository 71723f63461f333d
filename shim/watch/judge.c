// SPDX-License-Identifier: MIT
#include "watch/judge.h"

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/kernel_calls.h"
#include "base/raw_syscall.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/call_name.h"
#include "watch/context.h"
#include "watch/event_loops.h"
#include "watch/javascript_frames.h"
#include "watch/kernel_wait.h"
#include "watch/look_budget.h"
#include "watch/proof.h"
#include "watch/python_frames.h"
#include "watch/slow_reader.h"
#include "watch/thread_stack.h"
#include "watch/wait_object.h"

/* A write stuck on a full pipe is never normal; everything else is only where a loop stands still.
 */
static bool is_worth_a_report(const struct incident *incident)
{
    if (incident->class == CLASS_PIPE_WRITE)
        return incident->object.kind == OBJECT_PIPE || incident->object.kind == OBJECT_FIFO ||
               incident->object.kind == OBJECT_SOCKETPAIR;
    return incident->loop && incident->class != CLASS_OTHER;
}

static void begin_incident(struct incident *incident, int tid, uint64_t since_ns,
                           enum call_class class)
{
    memset(incident, 0, sizeof *incident);
    incident->tid = tid;
    incident->class = class;
    incident->fd = -1;
    incident->threshold_ns = context_threshold_ns(class);
    incident->begun_ns = clock_monotonic_ns();
    incident->blocked_ns = incident->begun_ns - since_ns;
    task_name(tid, incident->thread, sizeof incident->thread);
}

/* Copies the stack, and believes the copy only if the thread did not move meanwhile. */
static bool unwind_slot(const struct slot *slot, const struct slot_record *record)
{
    if (!thread_stack_take(context_memory(), slot, record) || !record_holds(slot, record))
        return false;
    thread_stack_unwind(context_memory());
    return true;
}

static void unwind_call(const struct task_call *call, struct incident *incident)
{
    thread_stack_clear();
    if (!thread_stack_wanted())
        return;
    if (stack_snapshot_take_pc_sp(context_memory(), call->pc, call->sp, thread_stack_snapshot()))
        thread_stack_unwind(context_memory());
    else
        incident->note = "the stack could not be read";
}

static void name_stack(enum call_id id, struct incident *incident)
{
    thread_stack_name(context_memory(), incident);
    python_frames_add(context_memory(), incident);
    javascript_frames_add(context_memory(), thread_stack_trace(), thread_stack_snapshot(),
                          incident);
    call_name_by_stack(id, thread_stack_snapshot(), context_memory(), incident);
}

static struct judgement report(const struct incident *incident)
{
    struct report_ref report = report_blocked(incident);
    slow_reader_reported(incident);
    return (struct judgement){.verdict = report.deferred ? VERDICT_OPEN : VERDICT_REPORTED,
                              .report = report,
                              .moving = report.deferred};
}

bool judge_prepare(struct slot *slot)
{
    static struct incident incident; /* child: scratch */
    struct slot_record record;
    struct task_call call;
    if (!slot_copy(slot, &record) || prove(&record, &call) != PROOF_HOLDS)
        return false;
    uint64_t began = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    begin_incident(&incident, record.tid, clock_monotonic_ns(), CLASS_PIPE_WRITE);
    incident.fd = record.fd;
    wait_object_read(context_memory(), &call, record.detail, context_permitted_access(), &incident);
    if (is_worth_a_report(&incident) && !wait_object_peers_known(&incident)) {
        thread_stack_clear();
        if (thread_stack_wanted() && unwind_slot(slot, &record))
            name_stack(record.call, &incident);
        wait_object_find_peers(context_permitted_access(), &incident);
    }
    look_budget_spend(clock_monotonic_ns(), clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began);
    return true;
}

struct judgement judge_slot(struct slot *slot, struct event_loop *loop, uint64_t since_ns,
                            uint64_t lag_ref)
{
    static struct incident incident; /* child: scratch */
    struct judgement open = {.verdict = VERDICT_OPEN};
    struct judgement not_reportable = {.verdict = VERDICT_NOT_REPORTABLE};
    struct slot_record record;
    struct task_call call;
    if (!slot_copy(slot, &record)) {
        open.moving = true;
        return open;
    }
    const struct door_description *description = call_describe(record.call);
    if (!loop && description->class != CLASS_PIPE_WRITE)
        return not_reportable;
    enum proof proof = prove(&record, &call);
    open.moving = proof != PROOF_FAILS;
    open.running = proof == PROOF_RUNNING;
    if (proof != PROOF_HOLDS)
        return open;
    if (loop && event_loop_own_wait(loop, &record, &call, context_memory()))
        return not_reportable;

    report_notice();
    begin_incident(&incident, record.tid, since_ns, description->class);
    incident.fd = record.fd;
    incident.loop = loop != NULL;
    incident.lag_ref = lag_ref;
    incident.kernel_call =
        kernel_call_name(call.status == TASK_IN_CALL ? call.number : description->kernel_call);
    wait_object_read(context_memory(), &call, record.detail, context_permitted_access(), &incident);
    if (!is_worth_a_report(&incident))
        return record_holds(slot, &record) ? not_reportable : open;
    incident.threshold_ns = context_threshold_ns(incident.class);
    if (incident.blocked_ns < incident.threshold_ns && description->class == CLASS_POLL) {
        open.moving = true;
        return open;
    }
    if (slow_reader_at_work(&incident)) {
        open.moving = true;
        return open;
    }
    if (description->class == CLASS_PIPE_WRITE || description->class == CLASS_PIPE_READ)
        incident.bytes = record.detail;
    thread_stack_clear();
    if (thread_stack_wanted() && !unwind_slot(slot, &record))
        incident.note = "the stack could not be read";
    name_stack(record.call, &incident);
    wait_object_find_peers(context_permitted_access(), &incident);
    if (!record_holds(slot, &record))
        return open;
    if (loop && event_loop_is_left(loop, &incident)) {
        incident.loop = false;
        if (!is_worth_a_report(&incident))
            return not_reportable;
    }
    return report(&incident);
}

/* It did not run while it was looked at: all that was seen belongs to one sleep. */
static bool slept_through(int tid, const struct task_call *call, uint64_t run_time)
{
    struct task_call after = task_read_call(tid);
    return after.status == TASK_IN_CALL && after.sp == call->sp &&
           task_run_time_ns(tid) == run_time;
}

struct judgement judge_unslotted(struct event_loop *loop, const struct task_call *call,
                                 uint64_t since_ns, uint64_t lag_ref)
{
    static struct incident incident; /* child: scratch */
    struct judgement open = {.verdict = VERDICT_OPEN};
    struct judgement not_reportable = {.verdict = VERDICT_NOT_REPORTABLE};
    struct kernel_wait wait = kernel_wait_of(call);
    uint64_t run_time = task_run_time_ns(loop->tid);
    begin_incident(&incident, loop->tid, since_ns, wait.class);
    incident.loop = true;
    incident.lag_ref = lag_ref;
    incident.fd = wait.fd;
    incident.kernel_call = kernel_call_name(call->number);
    wait_object_read(context_memory(), call, wait.detail, context_permitted_access(), &incident);
    if (!is_worth_a_report(&incident))
        return not_reportable;
    unwind_call(call, &incident);
    name_stack(CALL_none, &incident);
    wait_object_find_peers(context_permitted_access(), &incident);
    if (!slept_through(loop->tid, call, run_time))
        return open;
    if (event_loop_is_left(loop, &incident))
        return not_reportable;
    return report(&incident);
}

struct judgement judge_sampled(int tid, const struct task_call *call, uint64_t since_ns,
                               const struct slot *owner)
{
    static struct incident incident; /* child: scratch */
    struct judgement open = {.verdict = VERDICT_OPEN};
    struct judgement not_reportable = {.verdict = VERDICT_NOT_REPORTABLE};
    uint64_t run_time = task_run_time_ns(tid);
    begin_incident(&incident, tid, since_ns, owner ? CLASS_LOCK : CLASS_PIPE_WRITE);
    incident.kernel_call = kernel_call_name(call->number);
    if (owner) {
        incident.lock_owner_tid = owner->tid;
        incident.lock_owner_ref = owner->watch.report.seq;
        incident.fd = owner->fd;
    } else {
        struct kernel_wait wait = kernel_wait_of(call);
        incident.fd = wait.fd;
        incident.bytes = wait.detail;
        wait_object_read(context_memory(), call, wait.detail, context_permitted_access(),
                         &incident);
        if (!is_worth_a_report(&incident))
            return not_reportable;
    }
    unwind_call(call, &incident);
    name_stack(CALL_none, &incident);
    wait_object_find_peers(context_permitted_access(), &incident);
    return slept_through(tid, call, run_time) ? report(&incident) : open;
}

void judge_still(int tid, struct report_ref *report, uint64_t since_ns, uint64_t now)
{
    if (report->seq != 0 && report->still_ns != 0 && now - since_ns >= report->still_ns)
        report_still(tid, report, now - since_ns);
}

void judge_returned(int tid, const struct judgement *judgement, uint64_t since_ns)
{
    if (judgement->verdict == VERDICT_REPORTED)
        report_unblocked(tid, &judgement->report, clock_monotonic_ns() - since_ns);
}

bool slot_speaks_for(const struct slot *slot, const struct slot_record *record)
{
    return slot->watch.judged != VERDICT_LEFT || slot->watch.sequence != record->sequence;
}

bool slot_end_report(struct slot *slot)
{
    if (slot->watch.judged != VERDICT_REPORTED) {
        slot->watch.judged = VERDICT_OPEN;
        return true;
    }
    if (!report_unblocked(slot->tid, &slot->watch.report,
                          clock_monotonic_ns() - slot->watch.since_ns))
        return false;
    slot->watch.judged = VERDICT_OPEN;
    return true;
}

/* At exit. The thread that exits is in no call, also where a jump has left its slot as it was. */
static bool is_over(const struct slot *slot)
{
    struct slot_record record;
    struct task_call call;
    if (atomic_load(&slot->sequence) != slot->watch.sequence ||
        slot->tid == (int)raw_syscall(SYS_gettid))
        return true;
    return slot_end_is_unmarked(slot) && slot_copy(slot, &record) &&
           prove(&record, &call) == PROOF_FAILS;
}

void judge_end_all(void)
{
    for (unsigned index = 0; index < slot_bound(); index++) {
        struct slot *slot = slot_at(index);
        if (slot && slot->tid != 0 && slot->watch.judged == VERDICT_REPORTED && is_over(slot))
            slot_end_report(slot);
    }
}
