// SPDX-License-Identifier: MIT
#include "watch/event_loops.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "kernel/fd_scan.h"
#include "kernel/task.h"
#include "process/life.h"
#include "watch/busy_loop.h"
#include "watch/cpu_stacks.h"
#include "watch/python_frames.h"
#include "watch/readiness_set.h"
#include "watch/thread_stack.h"

static struct event_loop loops[LOOP_LIMIT];
static _Atomic unsigned loops_bound; /* of those beyond no memory was ever touched */

void event_loops_begin(void)
{
    memset(loops, 0, atomic_load(&loops_bound) * sizeof *loops);
    atomic_store(&loops_bound, 0);
}

static struct event_loop *find(const struct slot *slot)
{
    for (unsigned i = 0; i < atomic_load(&loops_bound); i++)
        if (loops[i].slot == slot && loops[i].tid == slot->tid)
            return &loops[i];
    return NULL;
}

static struct event_loop *make(struct slot *slot, enum readiness_kind kind, int wait_fd,
                               uint64_t now)
{
    for (unsigned i = 0; i < LOOP_LIMIT; i++) {
        struct event_loop *loop = &loops[i];
        if (loop->tid != 0 && loop->slot->tid == loop->tid)
            continue;
        uint32_t generation = loop->generation + 1;
        memset(loop, 0, sizeof *loop);
        loop->generation = generation;
        if (i >= atomic_load(&loops_bound))
            atomic_store(&loops_bound, i + 1);
        loop->tid = slot->tid;
        loop->since_ns = now;
        loop->slot = slot;
        slot->watch.is_loop = true;
        if (atomic_load(&slot->reads) == READS_PASS)
            atomic_store(&slot->reads, atomic_load(&slot->armed) == SLOT_MARKS_ENTRY
                                           ? READS_RECORDED
                                           : READS_ASK);
        loop->kind = kind;
        loop->wait_fd = wait_fd;
        loop->wait_sp = wait_fd >= 0 || kind == READINESS_EPOLL ? slot->waits[kind].sp : 0;
        return loop;
    }
    return NULL;
}

/* True if the user named the thread. */
static bool is_designated(const struct slot *slot)
{
    char name[COMM_LIMIT];
    if (settings.loop == LOOP_MAIN)
        return slot->tid == atomic_load(&life->pid);
    if (settings.loop != LOOP_NAMES)
        return false;
    task_name(slot->tid, name, sizeof name);
    return settings_is_loop_name(&settings, name);
}

/* Of a readiness wait: the epoll rows are the last of them in the table. */
static bool is_epoll(enum call_id call)
{
    return call >= CALL_epoll_wait;
}

/* The thread, asleep in the outermost wait of `kind`. */
static bool asleep_in_wait(const struct slot *slot, enum readiness_kind kind,
                           struct slot_record *record, struct task_call *call)
{
    return slot_copy(slot, record) && call_describe(record->call)->class == CLASS_POLL &&
           is_epoll(record->call) == (kind == READINESS_EPOLL) &&
           record->wait_sp == slot->waits[kind].sp && prove(record, call) == PROOF_HOLDS &&
           call->status == TASK_IN_CALL;
}

/* What wakes the loop whose wait this is; -1: it is no loop's. */
static int loop_wait_fd(const struct memory_reader *memory, const struct task_call *call)
{
    struct readiness_set set = readiness_set_read(memory, call);
    return set.epoll_fd >= 0 ? set.epoll_fd : readiness_set_wake_up(&set);
}

/* A wait by poll or select that the thread comes back to: looked at while it is asleep in it. */
static struct event_loop *recognise_poll(struct slot *slot, const struct memory_reader *memory,
                                         uint64_t now)
{
    struct slot_record record;
    struct task_call call;
    if (slot->waits[READINESS_POLL].returns < RETURNS_OF_A_LOOP ||
        now < slot->watch.loop_retry_ns || !asleep_in_wait(slot, READINESS_POLL, &record, &call))
        return NULL;
    struct readiness_set set = readiness_set_read(memory, &call);
    int wait_fd = readiness_set_wake_up(&set);
    if (wait_fd >= 0 && !readiness_set_only_accepts(&set))
        return make(slot, READINESS_POLL, wait_fd, now);
    /* A client's wait. A loop that is begun later may wait deeper in the stack: start anew. */
    slot->waits[READINESS_POLL].sp = 0;
    slot->watch.loop_retry_ns = now + NS_PER_S;
    return NULL;
}

/* Guest mode (trio in a Qt program): another thread asks this epoll, without ever sleeping in it,
 * and runs what is ready. This one waits on its behalf, and does the work of a thread pool besides.
 */
static bool waits_for_another_thread(const struct slot *slot)
{
    int epoll_fd = slot->waits[READINESS_EPOLL].epoll_fd;
    for (unsigned index = 0; epoll_fd > 0 && index < slot_bound(); index++) {
        const struct slot *other = slot_at(index);
        if (other && other != slot && other->tid != 0 &&
            (other->waits[READINESS_EPOLL].sp == 0 || other->watch.only_asks) &&
            other->waits[READINESS_EPOLL].epoll_fd == epoll_fd)
            return true;
    }
    return false;
}

static struct event_loop *recognise(struct slot *slot, const struct memory_reader *memory,
                                    uint64_t now)
{
    if (settings.loop == LOOP_NONE)
        return NULL;
    busy_loop_take(slot, now);
    if (slot->waits[READINESS_EPOLL].returns >= RETURNS_OF_A_LOOP &&
        (settings.loop == LOOP_AUTO ? !waits_for_another_thread(slot) : is_designated(slot)))
        return make(slot, READINESS_EPOLL, slot->waits[READINESS_EPOLL].epoll_fd, now);
    if (settings.loop == LOOP_AUTO)
        return recognise_poll(slot, memory, now);
    return is_designated(slot) ? make(slot, READINESS_POLL, -1, now) : NULL;
}

/* A designated thread is a loop before it makes its own wait. */
static void find_own_wait(struct event_loop *loop, const struct memory_reader *memory)
{
    struct slot *slot = loop->slot;
    struct slot_record record;
    struct task_call call;
    for (int kind = READINESS_KINDS - 1; kind >= 0 && loop->wait_sp == 0; kind--) {
        int wait_fd;
        if (slot->waits[kind].returns < RETURNS_OF_A_LOOP ||
            !asleep_in_wait(slot, (enum readiness_kind)kind, &record, &call) ||
            (wait_fd = loop_wait_fd(memory, &call)) < 0)
            continue;
        loop->kind = (enum readiness_kind)kind;
        loop->wait_sp = slot->waits[kind].sp;
        loop->wait_fd = wait_fd;
    }
}

/* Once for each place that a loop waits in: its descriptor and its stack. */
static void take_position(struct event_loop *loop, const struct memory_reader *memory)
{
    static struct incident incident; /* only for its Python frames; child: scratch */
    struct slot_record record;
    struct task_call call;
    if (!asleep_in_wait(loop->slot, loop->kind, &record, &call))
        return;
    memset(&incident, 0, sizeof incident);
    incident.tid = loop->tid;
    thread_stack_clear();
    if (!python_frames_unread(memory) && thread_stack_wanted() &&
        stack_snapshot_take(memory, &record.registers, thread_stack_snapshot()))
        thread_stack_unwind(memory);
    python_frames_add(memory, &incident);
    if (loop->wait_fd < 0)
        loop->wait_fd = loop_wait_fd(memory, &call);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load(&loop->slot->sequence) == record.sequence)
        loop_position_take(&loop->position, &incident);
}

/* True if `fd` is what the wait is made on, or in what it is made for. */
static bool waits_on(const struct memory_reader *memory, const struct task_call *call, int fd)
{
    struct readiness_set set = readiness_set_read(memory, call);
    if (set.epoll_fd >= 0)
        return set.epoll_fd == fd;
    for (unsigned i = 0; i < set.count; i++)
        if (set.entry[i].fd == fd)
            return true;
    return false;
}

/* The outermost wait was one of a loop that is gone (run_until_complete, then run_forever from
 * further in), or of no loop (main asked for a descriptor, then called what polls): the one that is
 * made now is learnt instead. */
static void relearn_outermost(struct slot *slot, const struct event_loop *loop,
                              const struct memory_reader *memory, uint64_t now)
{
    struct slot_record record;
    if (call_describe(slot_call(slot))->class != CLASS_POLL)
        return;
    enum readiness_kind kind = is_epoll(slot_call(slot)) ? READINESS_EPOLL : READINESS_POLL;
    if (slot->wait_sp >= slot->waits[kind].sp || now < slot->watch.loop_retry_ns ||
        !slot_copy(slot, &record) || record.call != slot_call(slot) ||
        record.wait_sp >= record.waits[kind].sp)
        return;
    struct task_call call;
    bool known = loop && loop->wait_sp != 0;
    if (known && (kind != loop->kind || prove(&record, &call) != PROOF_HOLDS ||
                  call.status != TASK_IN_CALL || !waits_on(memory, &call, loop->wait_fd)))
        return;
    /* A loop's thread may stay in this wait for ever: it is the loop's own from now on. */
    slot->waits[kind].sp = known ? record.wait_sp : 0;
    slot->watch.loop_retry_ns = now + NS_PER_S;
}

/* A loop may also poll for single things: where it waits by epoll, from about the same place, that
 * is its own wait. */
static void prefer_epoll(struct event_loop *loop)
{
    enum { SAME_PLACE = 512 };
    const struct readiness_waits *waits = loop->slot->waits;
    if (loop->kind == READINESS_EPOLL || waits[READINESS_EPOLL].returns < RETURNS_OF_A_LOOP ||
        waits[READINESS_EPOLL].sp + SAME_PLACE < waits[READINESS_POLL].sp)
        return;
    loop->kind = READINESS_EPOLL;
    loop->wait_sp = waits[READINESS_EPOLL].sp;
    loop->wait_fd = -1;
    loop->position.taken = false;
    loop->waits_seen++;
}

/* It is no loop's wait after all; what is waited in next is counted anew. */
static void leave(struct event_loop *loop)
{
    cpu_stacks_end(loop->tid);
    loop->state = LOOP_LEFT;
    loop->left_at = 0;
}

/* The outermost wait is made from further out than the loop's was: by the loop that moved (an
 * interpreter calls with fewer frames when it has specialised a call), or by what runs after it. */
static void follow_outwards(struct event_loop *loop, const struct memory_reader *memory)
{
    struct slot *slot = loop->slot;
    struct slot_record record;
    struct task_call call;
    if (loop->kind == READINESS_POLL) {
        if (!asleep_in_wait(slot, READINESS_POLL, &record, &call))
            return; /* only the set tells, and that only while it sleeps */
        int wait_fd = loop_wait_fd(memory, &call);
        if (wait_fd < 0) { /* a client's */
            leave(loop);
            slot->waits[READINESS_POLL].sp = 0;
            return;
        }
        loop->wait_fd = wait_fd;
    }
    loop->wait_sp = slot->waits[loop->kind].sp;
    loop->position.taken = false;
}

/* A loop that was left is run again, or another one instead. */
static bool has_come_back(struct event_loop *loop, const struct memory_reader *memory)
{
    struct slot_record record;
    struct task_call call;
    if (event_loop_returns(loop) - loop->left_at < RETURNS_OF_A_LOOP)
        return false;
    if (loop->kind == READINESS_EPOLL)
        return true;
    if (!asleep_in_wait(loop->slot, READINESS_POLL, &record, &call))
        return false;
    int wait_fd = loop_wait_fd(memory, &call);
    if (wait_fd >= 0)
        loop->wait_fd = wait_fd;
    return wait_fd >= 0;
}

struct event_loop *event_loop_of(struct slot *slot, const struct memory_reader *memory,
                                 uint64_t now)
{
    struct event_loop *loop = slot->watch.is_loop ? find(slot) : NULL;
    relearn_outermost(slot, loop, memory, now);
    if (!loop && settings.loop == LOOP_AUTO && !slot_may_be_loop(slot))
        return NULL;
    if (!loop)
        loop = recognise(slot, memory, now);
    if (!loop)
        return NULL;
    if (busy_loop_was_none(slot)) {
        leave(loop);
        return NULL;
    }
    prefer_epoll(loop);
    const struct readiness_waits *waits = &slot->waits[loop->kind];
    if (loop->state == LOOP_LEFT) {
        if (!has_come_back(loop, memory))
            return NULL;
        loop->state = LOOP_RUNS;
        loop->wait_sp = waits->sp;
        loop->position.taken = false;
        loop->runs++;
    }
    if (loop->wait_sp == 0) {
        find_own_wait(loop, memory);
    } else if (loop->wait_sp != waits->sp) {
        follow_outwards(loop, memory);
        if (loop->state == LOOP_LEFT)
            return NULL;
    }
    if (loop->kind == READINESS_EPOLL)
        loop->wait_fd = waits->epoll_fd; /* another one after another asyncio.run() */
    if (loop->wait_sp != 0 && !loop->position.taken)
        take_position(loop, memory);
    return loop;
}

bool event_loop_own_wait(const struct event_loop *loop, const struct slot_record *record,
                         const struct task_call *call, const struct memory_reader *memory)
{
    if (call_describe(record->call)->class != CLASS_POLL || loop->wait_sp == 0)
        return false;
    if (is_epoll(record->call) == (loop->kind == READINESS_EPOLL) &&
        record->wait_sp >= loop->wait_sp)
        return true;
    /* Deeper: the loop itself, run from inside a callback, or another one. */
    return loop->wait_fd >= 0 && call->status == TASK_IN_CALL &&
           waits_on(memory, call, loop->wait_fd);
}

unsigned event_loop_index(const struct event_loop *loop)
{
    return (unsigned)(loop - loops);
}

uint32_t event_loop_returns(const struct event_loop *loop)
{
    return loop->slot->waits[loop->kind].returns;
}

/* asyncio.run() and most programs close the descriptor when their loop ends. */
static bool epoll_is_closed(const struct event_loop *loop)
{
    struct fd_description fd = {.kind = LINK_EPOLL};
    return loop->kind == READINESS_EPOLL && loop->wait_fd >= 0 &&
           (fd_describe(atomic_load(&life->pid), loop->wait_fd, &fd) == -ENOENT ||
            (fd.kind != LINK_EPOLL && fd.link[0]));
}

bool event_loop_is_left(struct event_loop *loop, const struct incident *incident)
{
    bool guest = settings.loop == LOOP_AUTO && loop->kind == READINESS_EPOLL &&
                 waits_for_another_thread(loop->slot);
    if (!guest && !epoll_is_closed(loop) &&
        (!loop->position.taken || !loop_position_is_left(&loop->position, incident)))
        return false;
    cpu_stacks_end(loop->tid);
    loop->state = LOOP_LEFT;
    loop->left_at = event_loop_returns(loop);
    return true;
}

bool event_loops_any(void)
{
    for (unsigned i = 0; i < atomic_load(&loops_bound); i++)
        if (loops[i].tid != 0)
            return true;
    return false;
}

void event_loops_for_each(void (*visit)(struct event_loop *loop, void *context), void *context)
{
    for (unsigned i = 0; i < atomic_load(&loops_bound); i++)
        if (loops[i].tid != 0)
            visit(&loops[i], context);
}
