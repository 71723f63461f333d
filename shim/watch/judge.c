// SPDX-License-Identifier: MIT
#include "watch/judge.h"

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/kernel_calls.h"
#include "base/raw_syscall.h"
#include "process/life.h"
#include "report/tell.h"
#include "watch/call_name.h"
#include "watch/context.h"
#include "watch/event_loops.h"
#include "watch/javascript_frames.h"
#include "watch/kernel_wait.h"
#include "watch/proof.h"
#include "watch/python_frames.h"
#include "watch/slow_reader.h"
#include "watch/thread_stack.h"
#include "watch/wait_object.h"

/* A write stuck on a full pipe is never normal; everything else is only where a loop stands still.
 */
static bool is_worth_a_report(const struct story *story)
{
    if (story->class == CLASS_PIPE_WRITE)
        return story->object.kind == OBJECT_PIPE || story->object.kind == OBJECT_FIFO ||
               story->object.kind == OBJECT_SOCKETPAIR;
    return story->loop && story->class != CLASS_OTHER;
}

static void begin_story(struct story *story, int tid, uint64_t since_ns, enum call_class class)
{
    memset(story, 0, sizeof *story);
    story->tid = tid;
    story->class = class;
    story->fd = -1;
    story->threshold_ns = context_threshold_ns(class);
    story->begun_ns = clock_monotonic_ns();
    story->blocked_ns = story->begun_ns - since_ns;
    task_name(tid, story->thread, sizeof story->thread);
}

static bool still_there(const struct slot *slot, const struct slot_record *record)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load(&slot->sequence) == record->sequence;
}

/* Copies the stack, and believes the copy only if the thread did not move meanwhile. */
static bool unwind_slot(const struct slot *slot, const struct slot_record *record)
{
    if (!stack_snapshot_take(context_memory(), &record->registers, thread_stack_snapshot()))
        return false;
    if (!still_there(slot, record))
        return false;
    thread_stack_unwind(context_memory());
    return true;
}

static void unwind_call(const struct task_call *call, struct story *story)
{
    thread_stack_clear();
    if (!thread_stack_wanted())
        return;
    if (stack_snapshot_take_pc_sp(context_memory(), call->pc, call->sp, thread_stack_snapshot()))
        thread_stack_unwind(context_memory());
    else
        story->note = "the stack could not be read";
}

static void name_stack(enum call_id id, struct story *story)
{
    thread_stack_name(context_memory(), story);
    python_frames_add(context_memory(), story);
    javascript_frames_add(context_memory(), thread_stack_trace(), thread_stack_snapshot(), story);
    call_name_by_stack(id, thread_stack_snapshot(), context_memory(), story);
}

static struct judgement report(const struct story *story)
{
    struct told told = tell_blocked(story);
    slow_reader_told(story);
    return (struct judgement){.verdict = told.untold ? VERDICT_OPEN : VERDICT_REPORTED,
                              .told = told,
                              .moving = told.untold};
}

struct judgement judge_slot(struct slot *slot, struct event_loop *loop, uint64_t since_ns,
                            uint64_t lag_ref)
{
    static struct story story; /* child: scratch */
    struct judgement open = {.verdict = VERDICT_OPEN};
    struct judgement peaceful = {.verdict = VERDICT_PEACEFUL};
    struct slot_record record;
    struct task_call call;
    if (!slot_copy(slot, &record)) {
        open.moving = true;
        return open;
    }
    const struct door_description *description = call_describe(record.call);
    if (!loop && description->class != CLASS_PIPE_WRITE)
        return peaceful;
    enum proof proof = prove(&record, &call);
    open.moving = proof != PROOF_FAILS;
    if (proof != PROOF_HOLDS)
        return open;
    if (loop && event_loop_own_wait(loop, &record, &call, context_memory()))
        return peaceful;

    tell_notice();
    begin_story(&story, record.tid, since_ns, description->class);
    story.fd = record.fd;
    story.loop = loop != NULL;
    story.lag_ref = lag_ref;
    story.kernel_call =
        kernel_call_name(call.status == TASK_IN_CALL ? call.number : description->kernel_call);
    wait_object_look(context_memory(), &call, record.detail, context_permitted_look(), &story);
    if (!is_worth_a_report(&story))
        return still_there(slot, &record) ? peaceful : open;
    story.threshold_ns = context_threshold_ns(story.class);
    if (story.blocked_ns < story.threshold_ns && description->class == CLASS_POLL) {
        open.moving = true;
        return open;
    }
    if (slow_reader_at_work(&story)) {
        open.moving = true;
        return open;
    }
    if (description->class == CLASS_PIPE_WRITE || description->class == CLASS_PIPE_READ)
        story.bytes = record.detail;
    thread_stack_clear();
    if (thread_stack_wanted() && !unwind_slot(slot, &record))
        story.note = "the stack could not be read";
    name_stack(record.call, &story);
    wait_object_find_peers(context_permitted_look(), &story);
    if (!still_there(slot, &record))
        return open;
    if (loop && event_loop_is_left(loop, &story)) {
        story.loop = false;
        if (!is_worth_a_report(&story))
            return peaceful;
    }
    return report(&story);
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
    static struct story story; /* child: scratch */
    struct judgement open = {.verdict = VERDICT_OPEN};
    struct judgement peaceful = {.verdict = VERDICT_PEACEFUL};
    struct kernel_wait wait = kernel_wait_of(call);
    uint64_t run_time = task_run_time_ns(loop->tid);
    begin_story(&story, loop->tid, since_ns, wait.class);
    story.loop = true;
    story.lag_ref = lag_ref;
    story.fd = wait.fd;
    story.kernel_call = kernel_call_name(call->number);
    wait_object_look(context_memory(), call, wait.detail, context_permitted_look(), &story);
    if (!is_worth_a_report(&story))
        return peaceful;
    unwind_call(call, &story);
    name_stack(CALL_none, &story);
    wait_object_find_peers(context_permitted_look(), &story);
    if (!slept_through(loop->tid, call, run_time))
        return open;
    if (event_loop_is_left(loop, &story))
        return peaceful;
    return report(&story);
}

struct judgement judge_sampled(int tid, const struct task_call *call, uint64_t since_ns,
                               const struct slot *behind)
{
    static struct story story; /* child: scratch */
    struct judgement open = {.verdict = VERDICT_OPEN};
    struct judgement peaceful = {.verdict = VERDICT_PEACEFUL};
    uint64_t run_time = task_run_time_ns(tid);
    begin_story(&story, tid, since_ns, behind ? CLASS_LOCK : CLASS_PIPE_WRITE);
    story.kernel_call = kernel_call_name(call->number);
    if (behind) {
        story.behind_tid = behind->tid;
        story.behind_ref = behind->watch.told.seq;
        story.fd = behind->fd;
    } else {
        struct kernel_wait wait = kernel_wait_of(call);
        story.fd = wait.fd;
        story.bytes = wait.detail;
        wait_object_look(context_memory(), call, wait.detail, context_permitted_look(), &story);
        if (!is_worth_a_report(&story))
            return peaceful;
    }
    unwind_call(call, &story);
    name_stack(CALL_none, &story);
    wait_object_find_peers(context_permitted_look(), &story);
    return slept_through(tid, call, run_time) ? report(&story) : open;
}

void judge_still(int tid, struct told *told, uint64_t since_ns, uint64_t now)
{
    if (told->seq != 0 && told->still_ns != 0 && now - since_ns >= told->still_ns)
        tell_still(tid, told, now - since_ns);
}

void judge_returned(int tid, const struct judgement *judgement, uint64_t since_ns)
{
    if (judgement->verdict == VERDICT_REPORTED)
        tell_unblocked(tid, &judgement->told, clock_monotonic_ns() - since_ns);
}

bool slot_end_report(struct slot *slot)
{
    if (slot->watch.judged != VERDICT_REPORTED) {
        slot->watch.judged = VERDICT_OPEN;
        return true;
    }
    if (!tell_unblocked(slot->tid, &slot->watch.told, clock_monotonic_ns() - slot->watch.since_ns))
        return false;
    slot->watch.judged = VERDICT_OPEN;
    return true;
}

void judge_end_all(void)
{
    for (unsigned index = 0; index < slot_bound(); index++) {
        struct slot *slot = slot_at(index);
        if (slot && slot->tid != 0 && slot->watch.judged == VERDICT_REPORTED &&
            atomic_load(&slot->sequence) != slot->watch.sequence)
            slot_end_report(slot);
    }
}
