// SPDX-License-Identifier: MIT
#include "watch/javascript_frames.h"

#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "config/settings.h"
#include "explain/javascript/javascript_stack.h"
#include "process/life.h"

/* child: kept, the engine's code and its place are the same */
static struct javascript_runtime runtime;
static bool looked_for;
static char description[JAVASCRIPT_DESCRIPTION_LIMIT];

/* Mapped at the first stack: half a megabyte that a program without an engine does not need.
 * child: kept, as the mapping is */
static struct javascript_workspace *workspace;
static struct javascript_frame *frames;

const char *javascript_frames_begin(const struct memory_reader *memory)
{
    javascript_runtime_find(memory, 0, &runtime);
    looked_for = true;
    javascript_runtime_describe(&runtime, description, sizeof description);
    return description;
}

static bool make_workspace(void)
{
    if (workspace)
        return true;
    size_t size = sizeof *frames * JAVASCRIPT_FRAME_LIMIT;
    long mapped = raw_syscall(SYS_mmap, 0, size + javascript_workspace_size(),
                              PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped < 0 && mapped > -4096)
        return false;
    frames = (struct javascript_frame *)mapped;
    workspace = (struct javascript_workspace *)(mapped + (long)size);
    return true;
}

bool javascript_frames_wanted(const struct memory_reader *memory)
{
    if (!settings.number[SETTING_JAVASCRIPT] || settings_stack_depth(&settings) == 0)
        return false;
    /* An engine is part of the executable or of what it is linked with: one scan is enough. */
    if (!looked_for)
        javascript_frames_begin(memory);
    return javascript_runtime_prepare(memory, &runtime);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 1099511628211ULL; /* FNV-1a */
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = mix(hash, (unsigned char)*text);
    return mix(hash, 0);
}

/* V8 compiles one function several times and moves it: addresses and tiers are no part of it. */
static uint64_t hash_frames(const struct javascript_frame *of, unsigned count)
{
    uint64_t hash = 14695981039346656037ULL;
    for (unsigned i = 0; i < count; i++) {
        hash = mix_text(mix_text(hash, of[i].file), of[i].function);
        hash = mix(mix(hash, (uint64_t)of[i].line), (uint64_t)of[i].column);
    }
    return hash;
}

void javascript_frames_add(const struct memory_reader *memory, const struct stack_trace *trace,
                           struct stack_snapshot *snapshot, struct incident *incident)
{
    struct javascript_stack_facts facts;
    unsigned limit = settings_stack_depth(&settings);
    if (trace->count == 0 || !javascript_frames_wanted(memory) || !make_workspace())
        return;
    unsigned count =
        javascript_read_stack(&runtime, memory, workspace, trace, snapshot, frames, limit, &facts);
    incident->javascript = frames;
    incident->javascript_count = count;
    incident->javascript_omitted = facts.omitted;
    if (!incident->note && facts.lost)
        incident->note = "javascript: outer frames may be missing";
    if (count > 0)
        incident->stack_hash = hash_frames(frames, count);
}
