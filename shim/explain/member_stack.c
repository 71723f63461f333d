// SPDX-License-Identifier: MIT
#include "explain/member_stack.h"

#include <string.h>

#include "base/clock.h"
#include "explain/javascript/javascript_stack.h"
#include "explain/javascript/spawn_line.h"
#include "explain/modules.h"
#include "explain/perf_map.h"
#include "explain/perl/perl_line.h"
#include "explain/python/member_python.h"
#include "explain/shell_line.h"
#include "explain/symbols.h"
#include "explain/unwinder.h"
#include "explain/user_frame.h"
#include "kernel/process_name.h"
#include "kernel/source_line.h"
#include "kernel/status.h"
#include "kernel/thread_moment.h"

enum {
    FILE_LIMIT = 512, /* loaded objects of a process that are known */
    TRIES = 3,        /* of a thread that wakes now and then */
};

static const char is_forbidden[] =
    "its stack may not be read: another user's, not dumpable, or kernel.yama.ptrace_scope";
static const char is_running[] = "it runs: its stack was not read";
static const char has_run[] = "it ran on while its stack was read: nothing of that is certain";
static const char is_late[] = "its stack was not read to its end: that took too long";

struct member_stack_workspace {
    struct stack_snapshot snapshot;
    struct stack_trace trace;
    struct perf_map_name compiled[MEMBER_FRAME_LIMIT];
    struct mapped_file files[FILE_LIMIT];
    struct javascript_runtime javascript;
    unsigned char for_javascript[] __attribute__((aligned(16))); /* struct javascript_workspace */
};

size_t member_stack_workspace_size(void)
{
    return sizeof(struct member_stack_workspace) + javascript_workspace_size();
}

/* One reading of one thread. */
struct reading {
    struct member_stack_workspace *work;
    const struct member_stack_wish *wish;
    struct member_stack_space *space;
    struct member *member;
    struct memory_reader memory;
    struct modules modules;
    int pid, tid;
};

static bool is_over(const struct reading *reading)
{
    return clock_read_ns(CLOCK_THREAD_CPUTIME_ID) >= reading->wish->cpu_deadline_ns ||
           clock_monotonic_ns() >= reading->wish->deadline_ns;
}

/* A thread's id as its own process knows it, by which an interpreter names it. */
static int inner_tid(int pid, int tid)
{
    struct status_field inner = {.name = "NSpid", .base = 10};
    return status_read(pid, tid, &inner, 1) && inner.value != 0 ? (int)inner.value : tid;
}

static void read_interpreter(struct reading *reading, int tid)
{
    enum process_runtime runtime = process_runtime(reading->pid);
    if (runtime == RUNTIME_SHELL)
        shell_line_read(&reading->memory, reading->pid, reading->member);
    if (runtime == RUNTIME_PERL)
        perl_line_read(&reading->memory, reading->pid, tid, reading->member);
    if (!reading->wish->python || runtime != RUNTIME_PYTHON)
        return;
    member_read_python(&reading->memory, reading->pid, inner_tid(reading->pid, tid),
                       reading->wish->depth, reading->member);
}

/* Copies the stack and follows its frames: the part for which the thread has to sleep. */
static void unwind(struct reading *reading, const struct thread_moment *moment, bool engine)
{
    struct member_stack_workspace *work = reading->work;
    work->trace.count = 0;
    if (!stack_snapshot_take_pc_sp(&reading->memory, moment->pc, moment->sp, &work->snapshot))
        return;
    /* What V8's own C++ frames leave of a small depth may be little. */
    unwind_snapshot(&work->snapshot, &reading->modules, &reading->memory,
                    engine ? (unsigned)STACK_DEPTH_LIMIT : reading->wish->depth, &work->trace);
}

static void read_javascript(struct reading *reading)
{
    struct member_stack_workspace *work = reading->work;
    struct member *member = reading->member;
    struct javascript_stack_facts facts;
    member->javascript = reading->space->javascript;
    member->javascript_count = javascript_read_stack(
        &work->javascript, &reading->memory, (struct javascript_workspace *)work->for_javascript,
        &work->trace, &work->snapshot, reading->space->javascript, reading->wish->depth, &facts);
    member->javascript_omitted = facts.omitted;
    if (!member->note && facts.lost)
        member->note = "javascript: outer frames may be missing";
}

static void forget(struct reading *reading)
{
    struct member *member = reading->member;
    reading->work->trace.count = 0;
    member->python_count = member->python_omitted = 0;
    member->javascript_count = member->javascript_omitted = 0;
    member->where[0] = member->source[0] = '\0';
    member->note = NULL;
}

/* What the stack is made of, which does not change so soon. False: it may not be read. */
static bool look_up(struct reading *reading, bool *engine)
{
    struct member_stack_workspace *work = reading->work;
    if (!modules_read(reading->pid, work->files, FILE_LIMIT, &reading->modules))
        return false;
    *engine = reading->wish->javascript &&
              javascript_runtime_find(&reading->memory, reading->pid, &work->javascript) &&
              javascript_runtime_prepare(&reading->memory, &work->javascript);
    return true;
}

static const char *why_not(enum thread_moment_status status)
{
    return status == MOMENT_FORBIDDEN ? is_forbidden : status == MOMENT_RUNNING ? is_running : NULL;
}

/* All that has to be read while the thread sleeps, again if it woke. False: nothing is certain. */
static bool read_asleep(struct reading *reading)
{
    struct thread_moment before, after;
    bool engine;
    thread_moment_read(reading->pid, reading->tid, &before);
    reading->member->note = why_not(before.status);
    if (before.status == MOMENT_FORBIDDEN || before.status == MOMENT_GONE)
        return false;
    if (!look_up(reading, &engine)) {
        reading->member->note = is_forbidden;
        return false;
    }
    for (unsigned i = 0; i < TRIES && (i == 0 || !is_over(reading)); i++) {
        forget(reading);
        thread_moment_read(reading->pid, reading->tid, &before);
        reading->member->note = why_not(before.status);
        if (before.status != MOMENT_ASLEEP)
            continue;
        unwind(reading, &before, engine);
        read_interpreter(reading, reading->tid);
        if (engine)
            read_javascript(reading);
        thread_moment_read(reading->pid, reading->tid, &after);
        if (thread_moment_same(&before, &after))
            return true;
        forget(reading);
        reading->member->note = has_run;
    }
    return false;
}

/* asyncio waits for its children in threads of its own, in which nothing is the user's. */
static void read_main_python(struct reading *reading)
{
    struct member *member = reading->member;
    struct thread_moment before, after;
    if (member->python_count == 0 || reading->tid == reading->pid ||
        user_frame_python(member->python, member->python_count) >= 0)
        return;
    thread_moment_read(reading->pid, reading->pid, &before);
    if (before.status != MOMENT_ASLEEP)
        return;
    read_interpreter(reading, reading->pid);
    thread_moment_read(reading->pid, reading->pid, &after);
    if (!thread_moment_same(&before, &after)) {
        member->python_count = member->python_omitted = 0;
        member->note = has_run;
    }
}

/* Code that the runtime compiled lies in no module. */
static void name_compiled_frames(struct reading *reading)
{
    struct perf_map_name *found = reading->work->compiled;
    struct stack_frame_name *frames = reading->space->frames;
    unsigned wanted = 0, count = reading->member->frame_count;
    for (unsigned i = 0; i < count; i++)
        if (!frames[i].module[0])
            found[wanted++] = (struct perf_map_name){.pc = frames[i].pc};
    if (wanted == 0 || perf_map_find(reading->pid, found, wanted) == 0)
        return;
    for (unsigned i = 0, k = 0; i < count; i++) {
        if (frames[i].module[0])
            continue;
        memcpy(frames[i].symbol, found[k].name, sizeof frames[i].symbol);
        frames[i].symbol_offset = found[k].name[0] ? frames[i].pc - found[k].start : 0;
        k++;
    }
}

static bool is_of_this_library(const struct stack_frame_name *frame)
{
    static const char name[] = "/libpipeshim.so";
    size_t length = strlen(frame->module);
    return length >= sizeof name - 1 &&
           strcmp(frame->module + length - (sizeof name - 1), name) == 0;
}

static void name_frames(struct reading *reading)
{
    const struct stack_trace *trace = &reading->work->trace;
    struct stack_frame_name *frames = reading->space->frames;
    struct member *member = reading->member;
    if (trace->count == 0)
        return;
    unsigned count = (unsigned)symbolize(
        trace, &reading->modules, &reading->memory, frames,
        reading->wish->depth < MEMBER_FRAME_LIMIT ? reading->wish->depth : MEMBER_FRAME_LIMIT);
    member->stack_complete = trace->end == STACK_END_COMPLETE && count == trace->count;
    member->frames = frames;
    for (unsigned i = 0; i < count; i++)
        if (!is_of_this_library(&frames[i])) /* its wrappers are no frames of the program's */
            frames[member->frame_count++] = frames[i];
    if (reading->wish->perf_maps)
        name_compiled_frames(reading);
}

void member_stack_read(struct member_stack_workspace *work, int pid, int tid,
                       const struct member_stack_wish *wish, struct member_stack_space *space,
                       struct member *member)
{
    struct reading reading = {.work = work,
                              .wish = wish,
                              .space = space,
                              .member = member,
                              .memory = memory_reader_process(pid),
                              .pid = pid,
                              .tid = tid};
    if (is_over(&reading)) {
        member->note = is_late;
        return;
    }
    if (!read_asleep(&reading))
        return;
    read_main_python(&reading);
    if (is_over(&reading))
        member->note = is_late;
    else
        name_frames(&reading);
}

static void read_source(int pid, struct member *member)
{
    char path[JAVASCRIPT_FILE_LIMIT];
    int user = user_frame_python(member->python, member->python_count);
    if (user >= 0) {
        source_line_read(pid, member->python[user].file, member->python[user].line, member->source);
        return;
    }
    user = user_frame_javascript(member->javascript, member->javascript_count);
    if (user >= 0 && member->javascript[user].line > 0 && !member->javascript[user].generated &&
        javascript_file_path(member->javascript[user].file, path, sizeof path))
        source_line_read(pid, path, member->javascript[user].line, member->source);
}

void member_stack_where(int pid, struct member *member)
{
    struct text_buffer text;
    if (member->where[0]) /* a shell's, of which there is no frame */
        return;
    text_init(&text, member->where, sizeof member->where);
    user_frame_words(&text, member->python, member->python_count, member->javascript,
                     member->javascript_count, member->frames, member->frame_count);
    int user = user_frame_python(member->python, member->python_count) >= 0
                   ? -1
                   : user_frame_javascript(member->javascript, member->javascript_count);
    if (user >= 0 && member->javascript[user].line > 0) {
        member->where_column = member->javascript[user].column;
        member->where_generated = member->javascript[user].generated;
    }
    read_source(pid, member);
}

void member_stack_excuse(int pid, int other, struct member *member)
{
    static const char *const words[] = {
        [RUNTIME_UNKNOWN] = NULL,
        [RUNTIME_PYTHON] = NULL, /* its reader says why */
        [RUNTIME_NODE] = "its event loop waits: see where it starts the other one",
        [RUNTIME_SHELL] = "a shell: which line of its script this is cannot be read",
        [RUNTIME_JAVA] = "Java: which line this is cannot be read from outside, jstack tells it",
        [RUNTIME_PERL] = "Perl: which line this is cannot be read of this version, build or thread",
        [RUNTIME_RUBY] = "Ruby: which line this is cannot be read from outside",
        [RUNTIME_PHP] = "PHP: which line this is cannot be read from outside",
    };
    if (member->where[0] != '\0' || member->note)
        return;
    enum process_runtime runtime = process_runtime(pid);
    if (runtime == RUNTIME_NODE)
        spawn_line_read(pid, other, member);
    if (member->where[0] == '\0' && (runtime != RUNTIME_NODE || other != 0))
        member->note = words[runtime];
}
