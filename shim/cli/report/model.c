// SPDX-License-Identifier: MIT
#include "cli/report/model.h"

#include <stdlib.h>
#include <string.h>

bool model_open(struct model *model)
{
    *model = (struct model){.first_time = INT64_MAX, .last_time = INT64_MIN};
    bool strings = string_table_open(&model->strings);
    /* calloc of this size maps fresh pages: what is never used costs no memory. */
    model->processes = calloc(PROCESS_LIMIT, sizeof *model->processes);
    model->threads = calloc(THREAD_LIMIT, sizeof *model->threads);
    model->frames = calloc(FRAME_LIMIT, sizeof *model->frames);
    model->sites = calloc(SITE_LIMIT, sizeof *model->sites);
    model->site_frames = calloc(SITE_FRAMES_LIMIT, sizeof *model->site_frames);
    model->slices = calloc(SLICE_LIMIT, sizeof *model->slices);
    model->fills = calloc(FILL_LIMIT, sizeof *model->fills);
    model->open = calloc(OPEN_LIMIT, sizeof *model->open);
    model->known_stacks = calloc(STACK_ID_LIMIT, sizeof *model->known_stacks);
    model->deadlocks = calloc(DEADLOCK_LIMIT, sizeof *model->deadlocks);
    model->drains = calloc(DRAIN_LIMIT, sizeof *model->drains);
    model->process_slots = calloc(2 * (size_t)PROCESS_LIMIT, sizeof(uint32_t));
    model->thread_slots = calloc(2 * (size_t)THREAD_LIMIT, sizeof(uint32_t));
    model->frame_slots = calloc(2 * (size_t)FRAME_LIMIT, sizeof(uint32_t));
    model->site_slots = calloc(2 * (size_t)SITE_LIMIT, sizeof(uint32_t));
    if (!strings || !model->processes || !model->threads || !model->frames || !model->sites ||
        !model->site_frames || !model->slices || !model->fills || !model->open ||
        !model->known_stacks || !model->deadlocks || !model->drains || !model->process_slots ||
        !model->thread_slots || !model->frame_slots || !model->site_slots) {
        model_close(model);
        return false;
    }
    static const char other[] = "(other call sites)";
    model->sites[0].call = string_intern(&model->strings, other, sizeof other - 1);
    model->site_count = 1;
    return true;
}

void model_close(struct model *model)
{
    string_table_close(&model->strings);
    free(model->processes);
    free(model->threads);
    free(model->frames);
    free(model->sites);
    free(model->site_frames);
    free(model->slices);
    free(model->fills);
    free(model->open);
    free(model->known_stacks);
    free(model->deadlocks);
    free(model->drains);
    free(model->process_slots);
    free(model->thread_slots);
    free(model->frame_slots);
    free(model->site_slots);
    *model = (struct model){0};
}

/* Only `start` names the host, and two machines, or two containers, may use the same pid. So a
 * process is one of its file, unless its numbering goes on where another file, rotated away,
 * ended. */
static bool same_process(const struct process *process, const struct process_key *key)
{
    if (process->host != 0 && key->host != 0)
        return process->host == key->host;
    return process->file == key->file || process->last_seq + 1 == key->seq;
}

/* 1 + index of the process that the key means, 0: none. The newest, unless logs of several hosts
 * were merged into one and the numbering says that it is another host's. */
static uint32_t find_process(const struct model *model, uint32_t newest,
                             const struct process_key *key)
{
    uint32_t found = 0;
    for (uint32_t at = newest; at != 0; at = model->processes[at - 1].older) {
        const struct process *process = &model->processes[at - 1];
        if (!same_process(process, key))
            continue;
        if (found == 0)
            found = at;
        if (process->last_seq + 1 == key->seq &&
            (at == found || process->host != model->processes[found - 1].host))
            return at;
    }
    return found;
}

static uint32_t process_slot(const struct model *model, int32_t pid)
{
    uint32_t key = (uint32_t)pid;
    uint32_t slot = hash_bytes(0, &key, sizeof key) % (2 * PROCESS_LIMIT);
    while (model->process_slots[slot] != 0 &&
           model->processes[model->process_slots[slot] - 1].pid != pid)
        slot = (slot + 1) % (2 * PROCESS_LIMIT);
    return slot;
}

int32_t model_newest_process(const struct model *model, int32_t pid)
{
    return (int32_t)model->process_slots[process_slot(model, pid)] - 1;
}

int32_t model_process(struct model *model, const struct process_key *key)
{
    uint32_t slot = process_slot(model, key->pid);
    uint32_t newest = model->process_slots[slot];
    uint32_t at = find_process(model, newest, key);
    /* A `start` after other events is a new program under an old pid, be it after an exec. */
    if (at != 0 && !(key->starts && model->processes[at - 1].events > 0))
        return (int32_t)(at - 1);
    if (model->process_count == PROCESS_LIMIT) {
        model->overflow.processes++;
        return NONE;
    }
    uint32_t index = model->process_count++;
    model->processes[index] = (struct process){.host = key->host,
                                               .file = key->file,
                                               .pid = key->pid,
                                               .older = newest,
                                               .first_time = INT64_MAX,
                                               .last_time = INT64_MIN,
                                               .first_seq = key->seq,
                                               .last_seq = key->seq};
    model->process_slots[slot] = index + 1;
    return (int32_t)index;
}

int32_t model_thread(struct model *model, uint32_t process, int32_t tid, string_id name)
{
    uint32_t key[2] = {process, (uint32_t)tid};
    uint32_t slot = hash_bytes(0, key, sizeof key) % (2 * THREAD_LIMIT);
    for (; model->thread_slots[slot] != 0; slot = (slot + 1) % (2 * THREAD_LIMIT)) {
        struct thread *thread = &model->threads[model->thread_slots[slot] - 1];
        if (thread->process == process && thread->tid == tid) {
            if (name != 0)
                thread->name = name; /* threads are often named after their start */
            return (int32_t)(thread - model->threads);
        }
    }
    if (model->thread_count == THREAD_LIMIT) {
        model->overflow.threads++;
        return NONE;
    }
    uint32_t index = model->thread_count++;
    model->threads[index] = (struct thread){.process = process, .tid = tid, .name = name};
    model->thread_slots[slot] = index + 1;
    return (int32_t)index;
}

static bool same_frame(const struct frame *a, const struct frame *b)
{
    return a->interpreted == b->interpreted && a->exact == b->exact && a->module == b->module &&
           a->build_id == b->build_id && a->offset == b->offset && a->function == b->function;
}

int32_t model_frame(struct model *model, const struct frame *frame)
{
    uint64_t key[4] = {frame->module, frame->build_id, frame->offset, frame->function};
    uint32_t slot = hash_bytes(frame->exact, key, sizeof key) % (2 * FRAME_LIMIT);
    for (; model->frame_slots[slot] != 0; slot = (slot + 1) % (2 * FRAME_LIMIT))
        if (same_frame(&model->frames[model->frame_slots[slot] - 1], frame))
            return (int32_t)(model->frame_slots[slot] - 1);
    if (model->frame_count == FRAME_LIMIT) {
        model->overflow.frames++;
        return NONE;
    }
    uint32_t index = model->frame_count++;
    model->frames[index] = *frame;
    model->frame_slots[slot] = index + 1;
    return (int32_t)index;
}

static bool same_site(const struct model *model, const struct call_site *a,
                      const struct call_site *b, const uint32_t *frames)
{
    size_t count = (size_t)b->native_count + b->interpreted_count;
    return a->kind == b->kind && a->exe == b->exe && a->call == b->call &&
           a->class_name == b->class_name && a->native_count == b->native_count &&
           a->interpreted_count == b->interpreted_count &&
           memcmp(model->site_frames + a->first_frame, frames, count * sizeof *frames) == 0;
}

uint32_t model_site(struct model *model, const struct call_site *like, const uint32_t *frames)
{
    uint32_t count = (uint32_t)like->native_count + like->interpreted_count;
    uint32_t key[5] = {like->kind, like->exe, like->call, like->class_name, like->native_count};
    uint32_t hash = hash_bytes(hash_bytes(0, key, sizeof key), frames, count * sizeof *frames);
    uint32_t slot = hash % (2 * SITE_LIMIT);
    for (; model->site_slots[slot] != 0; slot = (slot + 1) % (2 * SITE_LIMIT))
        if (same_site(model, &model->sites[model->site_slots[slot]], like, frames))
            return model->site_slots[slot];
    uint32_t limit = count > 0 ? SITE_LIMIT - SITE_RESERVE : SITE_LIMIT;
    if (model->site_count >= limit || model->site_frames_count + count > SITE_FRAMES_LIMIT) {
        struct call_site without = *like;
        without.native_count = without.interpreted_count = 0;
        model->overflow.sites += count > 0;
        return count > 0 ? model_site(model, &without, frames) : 0;
    }
    uint32_t index = model->site_count++;
    struct call_site *site = &model->sites[index];
    *site = *like;
    site->first_frame = model->site_frames_count;
    memcpy(model->site_frames + site->first_frame, frames, count * sizeof *frames);
    model->site_frames_count += count;
    model->site_slots[slot] = index;
    return index;
}
