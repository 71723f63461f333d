// SPDX-License-Identifier: MIT
#include "watch/thread_stack.h"

#include <string.h>

#include "base/zeroed_memory.h"
#include "explain/perf_map.h"
#include "explain/symbols.h"
#include "explain/unwinder.h"
#include "kernel/task.h"
#include "process/life.h"
#include "watch/javascript_frames.h"

/* Too large for the watchdog's stack; used by the watchdog alone. child: scratch */
static struct stack_snapshot snapshot;
static struct stack_trace trace;

/* Mapped for the first stack that is named; child: kept, it is a mapping */
static struct naming {
    struct stack_frame_name names[STACK_DEPTH_LIMIT];
    struct perf_map_name compiled[STACK_DEPTH_LIMIT];
} * naming;

bool thread_stack_wanted(void)
{
    return settings_stack_depth(&settings) > 0;
}

struct stack_snapshot *thread_stack_snapshot(void)
{
    return &snapshot;
}

bool thread_stack_take(const struct memory_reader *memory, const struct slot *slot,
                       const struct slot_record *record)
{
    enum { TRIES = 3 }; /* a reader that takes a little now and then wakes the writer */
    if (!record->end_unmarked)
        return stack_snapshot_take(memory, &record->registers, &snapshot);
    for (int i = 0; i < TRIES; i++) {
        uint64_t run_time = task_run_time_ns(record->tid);
        bool taken = stack_snapshot_take_at_entry(memory, &record->registers, &snapshot);
        if (record_holds(slot, record) && task_run_time_ns(record->tid) == run_time)
            return taken;
    }
    return false;
}

void thread_stack_clear(void)
{
    trace.count = 0;
}

/* The wrappers, which are no frames of the program's, are on top of what is asked for. */
static unsigned depth_with_own(void)
{
    enum { OWN_FRAMES = 4 };
    unsigned depth = settings_stack_depth(&settings);
    if (depth == 0)
        return 0;
    return depth + OWN_FRAMES < STACK_DEPTH_LIMIT ? depth + OWN_FRAMES
                                                  : (unsigned)STACK_DEPTH_LIMIT;
}

void thread_stack_unwind(const struct memory_reader *memory)
{
    unsigned depth =
        javascript_frames_wanted(memory) ? (unsigned)STACK_DEPTH_LIMIT : depth_with_own();
    unwind_snapshot(&snapshot, modules_own(), memory, depth, &trace);
}

const struct stack_trace *thread_stack_trace(void)
{
    return &trace;
}

/* True if `pc` is in this library's code, between what the linker puts around it. */
static bool module_is_own(uint64_t pc)
{
    extern const char __ehdr_start[] __attribute__((weak, visibility("hidden")));
    extern const char etext[] __attribute__((weak, visibility("hidden")));
    return pc >= (uintptr_t)__ehdr_start && pc < (uintptr_t)etext;
}

unsigned thread_stack_own_frames(void)
{
    unsigned own = 0;
    while (own < trace.count && module_is_own(trace.pc[own]))
        own++;
    return own;
}

/* Frames outside of any module: code that the runtime compiled, named by its perf map if it writes
 * one. */
static void name_compiled_frames(unsigned count)
{
    struct stack_frame_name *names = naming->names;
    struct perf_map_name *found = naming->compiled;
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

static uint64_t hash_stack(void)
{
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
    unsigned depth = settings_stack_depth(&settings);
    for (unsigned i = 0; i < trace.count && i < depth; i++)
        hash = (hash ^ trace.pc[i]) * 1099511628211ULL;
    return hash;
}

/* The wrappers: innermost as a slot saw them, below libc's own as the kernel does. Returns how many
 * frames are left. */
static unsigned without_own_frames(unsigned count)
{
    struct stack_frame_name *names = naming->names;
    unsigned kept = 0;
    for (unsigned i = 0; i < count; i++) {
        if (module_is_own(names[i].pc))
            continue;
        if (kept != i)
            names[kept] = names[i];
        kept++;
    }
    return kept;
}

void thread_stack_name(const struct memory_reader *memory, struct incident *incident)
{
    if (!naming && !(naming = zeroed_memory(sizeof *naming)))
        return;
    unsigned depth = settings_stack_depth(&settings);
    unsigned count =
        (unsigned)symbolize(&trace, modules_own(), memory, naming->names, depth_with_own());
    name_compiled_frames(count);
    unsigned left = without_own_frames(count);
    incident->frames = naming->names;
    incident->frame_count = left < depth ? left : depth;
    incident->stack_complete =
        trace.end == STACK_END_COMPLETE && count == trace.count && left <= depth;
    incident->stack_hash = hash_stack();
}
