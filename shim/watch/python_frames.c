// SPDX-License-Identifier: MIT
#include "watch/python_frames.h"

#include "base/text_buffer.h"
#include "explain/python/python_stack.h"
#include "process/life.h"

enum { FRAME_LIMIT = 64 };

static struct python_runtime runtime;
static struct python_frame frames[FRAME_LIMIT]; /* child: scratch */
static char description[PYTHON_FEATURE_LIMIT];  /* child: kept, the interpreter is the same */

const char *python_frames_begin(const struct memory_reader *memory)
{
    python_runtime_find(memory, 0, &runtime);
    python_runtime_describe(&runtime, description, sizeof description);
    return description;
}

void python_frames_begin_in_child(void)
{
    runtime.support = PYTHON_ABSENT; /* the parent may just have been finding out: found anew */
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 1099511628211ULL; /* FNV-1a */
}

typedef unsigned read_stack(const struct python_runtime *runtime,
                            const struct memory_reader *reader, int tid, struct python_frame *out,
                            unsigned limit, struct python_stack_facts *facts);

static void add_frames(const struct memory_reader *memory, read_stack *read,
                       struct incident *incident)
{
    struct python_stack_facts facts;
    unsigned limit = settings_stack_depth(&settings);
    if (!settings.number[SETTING_PYTHON] || limit == 0)
        return;
    /* A program can load libpython at any time: absent is an answer for now only. */
    if (runtime.support == PYTHON_ABSENT)
        python_runtime_find(memory, 0, &runtime);
    if (runtime.support != PYTHON_SUPPORTED) {
        python_runtime_describe(&runtime, description, sizeof description);
        if (!incident->note && description[0])
            incident->note = description;
        return;
    }
    incident->python = frames;
    incident->python_count = read(&runtime, memory, incident->tid, frames,
                                  limit < FRAME_LIMIT ? limit : FRAME_LIMIT, &facts);
    incident->python_omitted = facts.omitted;
    if (!incident->note)
        incident->note = python_completeness_reason(facts.completeness);
    /* The C stack below a Python function is the interpreter's, and differs as it specialises. */
    if (incident->python_count > 0)
        incident->stack_hash = 14695981039346656037ULL;
    for (unsigned i = 0; i < incident->python_count; i++)
        incident->stack_hash =
            mix(mix(incident->stack_hash, frames[i].code), (uint64_t)frames[i].line);
}

bool python_frames_unread(const struct memory_reader *memory)
{
    if (runtime.support == PYTHON_ABSENT)
        python_runtime_find(memory, 0, &runtime);
    return runtime.support != PYTHON_ABSENT &&
           (runtime.support != PYTHON_SUPPORTED || !settings.number[SETTING_PYTHON]);
}

void python_frames_add(const struct memory_reader *memory, struct incident *incident)
{
    add_frames(memory, python_read_stack, incident);
}

void python_frames_add_running(const struct memory_reader *memory, struct incident *incident)
{
    add_frames(memory, python_read_stack_running, incident);
}
