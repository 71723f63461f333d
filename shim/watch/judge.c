// SPDX-License-Identifier: MIT
#include "watch/judge.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/kernel_calls.h"
#include "base/raw_syscall.h"
#include "explain/perf_map.h"
#include "explain/stack_snapshot.h"
#include "explain/symbols.h"
#include "explain/unwinder.h"
#include "graph/object_look.h"
#include "report/log.h"
#include "report/tell.h"
#include "watch/call_name.h"
#include "watch/event_loops.h"
#include "watch/life.h"
#include "watch/proof.h"
#include "watch/python_frames.h"
#include "watch/seccomp.h"

static struct memory_reader memory;
static unsigned permitted_look; /* LOOK_…: what a seccomp filter leaves */
/* Too large for the watchdog's stack; used by the watchdog alone. */
static struct stack_snapshot snapshot;
static struct stack_trace trace;
static struct stack_frame_name names[STACK_DEPTH_LIMIT];

void judge_begin(void)
{
    int pid = atomic_load(&life->pid);
    unsigned forbidden = seccomp_forbidden();
    memory = memory_reader_process(pid);
    permitted_look = LOOK_PROC | (forbidden & FORBIDS_BORROWING ? 0 : LOOK_BORROW) |
                     (forbidden & FORBIDS_SOCKETS ? 0 : LOOK_SOCKET) |
                     (forbidden & FORBIDS_MEMORY ? 0 : LOOK_MEMORY);
    log_borrows(!(forbidden & FORBIDS_BORROWING));
    if (forbidden & FORBIDS_MEMORY) {
        /* Kept in the watchdog's own fd table, for as long as that thread lives. */
        long fd = raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC);
        memory = memory_reader_file((int)fd);
    }
}

unsigned judge_permitted_look(void)
{
    return permitted_look;
}

const struct memory_reader *judge_memory(void)
{
    return &memory;
}

uint64_t judge_threshold_ns(enum call_class class)
{
    return settings_threshold_ns(&settings, class);
}

uint64_t judge_smallest_threshold_ns(void)
{
    static uint64_t smallest;
    if (smallest == 0) {
        smallest = UINT64_MAX;
        for (int class = 0; class < CLASS_COUNT; class ++)
            if (settings_threshold_ns(&settings, (enum call_class) class) < smallest)
                smallest = settings_threshold_ns(&settings, (enum call_class) class);
        if (smallest < NS_PER_MS)
            smallest = NS_PER_MS;
    }
    return smallest;
}

static bool is_pipe(const struct object_facts *object)
{
    return object->kind == OBJECT_PIPE || object->kind == OBJECT_FIFO ||
           object->kind == OBJECT_SOCKETPAIR;
}

/* What the table of calls says by name, corrected by what the fd really is. */
static enum call_class class_by_object(enum call_class class, const struct object_facts *object)
{
    if (class != CLASS_PIPE_WRITE && class != CLASS_PIPE_READ)
        return class;
    bool writes = class == CLASS_PIPE_WRITE;
    switch (object->kind) {
    case OBJECT_SOCKET:
        return writes ? CLASS_SOCKET_WRITE : CLASS_SOCKET_READ;
    case OBJECT_FILE:
        return CLASS_FILE;
    case OBJECT_TTY:
    case OBJECT_OTHER:
        return CLASS_OTHER;
    default:
        return class;
    }
}

/* A write stuck on a full pipe is never normal; everything else is only where a loop stands still.
 */
static bool is_worth_a_report(enum call_class class, const struct object_facts *object, bool loop)
{
    if (class == CLASS_PIPE_WRITE)
        return is_pipe(object);
    return loop && class != CLASS_OTHER;
}

/* Frames outside of any module: code that the runtime compiled, named by its perf map if it writes
 * one. */
static void name_compiled_frames(unsigned count)
{
    static struct perf_map_name found[STACK_DEPTH_LIMIT];
    unsigned wanted = 0;
    for (unsigned i = 0; i < count; i++)
        if (!names[i].module[0])
            found[wanted++] = (struct perf_map_name){.pc = names[i].pc};
    if (wanted == 0 || perf_map_find(0, found, wanted) == 0)
        return;
    for (unsigned i = 0, k = 0; i < count; i++) {
        if (names[i].module[0])
            continue;
        memcpy(names[i].symbol, found[k].name, sizeof names[i].symbol);
        names[i].symbol_offset = found[k].name[0] ? names[i].pc - found[k].start : 0;
        k++;
    }
}

/* True if `pc` is in this library's code, between what the linker puts around it. */
static bool module_is_own(uint64_t pc)
{
    extern const char __ehdr_start[] __attribute__((weak, visibility("hidden")));
    extern const char etext[] __attribute__((weak, visibility("hidden")));
    return pc >= (uintptr_t)__ehdr_start && pc < (uintptr_t)etext;
}

/* The wrapper is no frame of the program's: story->call names what it called. */
static unsigned count_own_frames(unsigned count)
{
    unsigned own = 0;
    while (own < count && own < trace.count && module_is_own(trace.pc[own]))
        own++;
    return own;
}

static void name_frames(struct story *story)
{
    unsigned count = (unsigned)symbolize(&trace, &memory, names, settings_stack_depth(&settings));
    unsigned own = count_own_frames(count);
    name_compiled_frames(count);
    story->frames = names + own;
    story->frame_count = count - own;
    story->stack_complete = trace.end == STACK_END_COMPLETE;
}

static uint64_t hash_stack(void)
{
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
    for (unsigned i = 0; i < trace.count; i++)
        hash = (hash ^ trace.pc[i]) * 1099511628211ULL;
    return hash;
}

static bool stack_wanted(void)
{
    return settings_stack_depth(&settings) > 0;
}

static void begin_story(struct story *story, int tid, uint64_t since_ns, enum call_class class)
{
    memset(story, 0, sizeof *story);
    story->tid = tid;
    story->class = class;
    story->fd = -1;
    story->threshold_ns = judge_threshold_ns(class);
    story->begun_ns = clock_monotonic_ns();
    story->blocked_ns = story->begun_ns - since_ns;
    task_name(tid, story->thread, sizeof story->thread);
}

static void look_at_object(struct story *story, enum object_role role)
{
    memset(&story->object, 0, sizeof story->object);
    if (story->fd >= 0)
        object_facts_of_fd(atomic_load(&life->pid), story->fd, role, permitted_look,
                           &story->object);
}

/* Who holds the other end: a scan of all processes, for what is reported only. */
static void look_for_peers(struct story *story)
{
    if (is_pipe(&story->object))
        find_peers(strcmp(story->object.pipe.role, "writer") == 0 ? ROLE_WRITER : ROLE_READER,
                   permitted_look, &story->object);
}

static bool still_there(const struct slot *slot, const struct slot_record *record)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load(&slot->sequence) == record->sequence;
}

/* libunwind blocks signals around its locks through libc, which leaves out its own two (32 and 33)
 * when the mask is put back: no signal must ever choose the watchdog. */
static void unwind(void)
{
    uint64_t all = ~0ULL;
    unwind_snapshot(&snapshot, &memory, settings_stack_depth(&settings), &trace);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof all);
}

/* Copies the stack, and believes the copy only if the thread did not move meanwhile. */
static bool unwind_slot(const struct slot *slot, const struct slot_record *record)
{
    if (!stack_snapshot_take(&memory, &record->registers, &snapshot))
        return false;
    if (!still_there(slot, record))
        return false;
    unwind();
    return true;
}

static struct judgement reported(const struct story *story)
{
    return (struct judgement){.verdict = VERDICT_REPORTED, .told = tell_blocked(story)};
}

struct judgement judge_slot(struct slot *slot, uint64_t since_ns)
{
    static struct story story;
    struct judgement open = {.verdict = VERDICT_OPEN};
    struct judgement peaceful = {.verdict = VERDICT_PEACEFUL};
    struct slot_record record;
    struct task_call call;
    if (!slot_copy(slot, &record)) {
        open.moving = true;
        return open;
    }
    const struct door_description *description = call_describe(record.call);
    bool loop = event_loop_thread(&record);
    if (description->class == CLASS_POLL && (!loop || event_loop_own_wait(&record)))
        return peaceful;
    if (!loop && description->class != CLASS_PIPE_WRITE)
        return peaceful;
    enum proof proof = prove(&record, &call);
    open.moving = proof != PROOF_FAILS;
    if (proof != PROOF_HOLDS)
        return open;

    begin_story(&story, record.tid, since_ns, description->class);
    story.fd = record.fd;
    story.bytes = record.length;
    story.loop = loop;
    story.kernel_call =
        kernel_call_name(call.status == TASK_IN_CALL ? call.number : description->kernel_call);
    look_at_object(&story, description->class == CLASS_PIPE_WRITE ? ROLE_WRITER : ROLE_READER);
    story.class = class_by_object(description->class, &story.object);
    if (!is_worth_a_report(story.class, &story.object, loop))
        return still_there(slot, &record) ? peaceful : open;
    trace.count = 0;
    if (stack_wanted() && !unwind_slot(slot, &record))
        story.note = "the stack could not be read";
    name_frames(&story);
    story.stack_hash = hash_stack();
    python_frames_add(&memory, &story);
    call_name_by_stack(record.call, &snapshot, &memory, &story);
    look_for_peers(&story);
    if (!still_there(slot, &record))
        return open;
    return reported(&story);
}

struct judgement judge_sampled(int tid, const struct task_call *call, uint64_t since_ns,
                               const struct slot *behind)
{
    static struct story story;
    struct judgement open = {.verdict = VERDICT_OPEN};
    struct judgement peaceful = {.verdict = VERDICT_PEACEFUL};
    begin_story(&story, tid, since_ns, behind ? CLASS_LOCK : CLASS_PIPE_WRITE);
    story.kernel_call = kernel_call_name(call->number);
    if (behind) {
        story.behind_tid = behind->tid;
        story.behind_ref = behind->watch.told.seq;
        story.fd = behind->fd;
    } else {
        /* splice, tee and sendfile name the fd they write to in other places (their man pages). */
        story.fd = (int)call->arguments[call->number == SYS_splice ? 2
                                        : call->number == SYS_tee  ? 1
                                                                   : 0];
        story.bytes = call->number == SYS_write ? call->arguments[2] : 0;
        look_at_object(&story, ROLE_WRITER);
        story.class = class_by_object(CLASS_PIPE_WRITE, &story.object);
        if (!is_worth_a_report(story.class, &story.object, false))
            return peaceful;
    }
    uint64_t run_time = task_run_time_ns(tid);
    trace.count = 0;
    if (stack_wanted()) {
        if (stack_snapshot_take_pc_sp(&memory, call->pc, call->sp, &snapshot))
            unwind();
        else
            story.note = "the stack could not be read";
    }
    name_frames(&story);
    story.stack_hash = hash_stack();
    python_frames_add(&memory, &story);
    call_name_by_stack(CALL_none, &snapshot, &memory, &story);
    look_for_peers(&story);
    /* It did not run while it was looked at: all of this belongs to one sleep. */
    struct task_call after = task_read_call(tid);
    if (after.status != TASK_IN_CALL || after.sp != call->sp || task_run_time_ns(tid) != run_time)
        return open;
    return reported(&story);
}

void judge_returned(int tid, const struct judgement *judgement, uint64_t since_ns)
{
    if (judgement->verdict == VERDICT_REPORTED)
        tell_unblocked(tid, &judgement->told, clock_monotonic_ns() - since_ns);
}

void slot_end_report(struct slot *slot)
{
    if (__atomic_exchange_n(&slot->watch.judged, VERDICT_OPEN, __ATOMIC_ACQ_REL) ==
        VERDICT_REPORTED)
        tell_unblocked(slot->tid, &slot->watch.told, clock_monotonic_ns() - slot->watch.since_ns);
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
