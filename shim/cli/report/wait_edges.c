// SPDX-License-Identifier: MIT
#include "cli/report/wait_edges.h"

#include <stdlib.h>

enum { EARLIER_CALLS = 64 }; /* earlier calls of the other process that may still last */

struct index {
    uint32_t *first;  /* of each process, in `slices`; one more at the end */
    uint32_t *slices; /* grouped by process, by start time in each */
};

static uint32_t process_of(const struct model *model, uint32_t slice)
{
    return model->threads[model->slices[slice].thread].process;
}

static bool build_index(const struct model *model, struct index *index)
{
    index->first = calloc((size_t)model->process_count + 2, sizeof *index->first);
    index->slices = calloc((size_t)model->slice_count + 1, sizeof *index->slices);
    if (!index->first || !index->slices)
        return false;
    for (uint32_t i = 0; i < model->slice_count; i++)
        index->first[process_of(model, i) + 2]++;
    for (uint32_t i = 2; i < model->process_count + 2; i++)
        index->first[i] += index->first[i - 1];
    for (uint32_t i = 0; i < model->slice_count; i++)
        index->slices[index->first[process_of(model, i) + 1]++] = i;
    return true;
}

int32_t wait_edges_process(const struct model *model, uint32_t near, int32_t pid, int64_t time)
{
    uint32_t slot =
        hash_bytes(0, &(uint32_t){(uint32_t)pid}, sizeof(uint32_t)) % (2 * PROCESS_LIMIT);
    while (model->process_slots[slot] != 0 &&
           model->processes[model->process_slots[slot] - 1].pid != pid)
        slot = (slot + 1) % (2 * PROCESS_LIMIT);
    for (uint32_t at = model->process_slots[slot]; at != 0; at = model->processes[at - 1].older) {
        const struct process *process = &model->processes[at - 1];
        bool same_host = process->host == model->processes[near].host;
        if (same_host && process->first_time <= time)
            return (int32_t)(at - 1);
    }
    return NONE;
}

/* A blocked call of `process` that overlaps the slice, NONE if there is none. */
static int32_t find_overlap(const struct model *model, const struct index *index, uint32_t process,
                            const struct slice *slice)
{
    uint32_t low = index->first[process];
    uint32_t begin = low;
    uint32_t high = index->first[process + 1];
    int64_t end = slice->start + slice->duration;
    while (low < high) { /* the first that starts after the slice ended */
        uint32_t middle = low + (high - low) / 2;
        if (model->slices[index->slices[middle]].start <= end)
            low = middle + 1;
        else
            high = middle;
    }
    for (uint32_t i = 0; i < EARLIER_CALLS && low > begin; i++) {
        const struct slice *other = &model->slices[index->slices[--low]];
        if (other->kind == SLICE_CALL && other != slice &&
            other->start + other->duration >= slice->start)
            return (int32_t)index->slices[low];
    }
    return NONE;
}

struct wait_edge *wait_edges_find(const struct model *model, uint32_t *count)
{
    struct index index = {0};
    struct wait_edge *edges = NULL;
    *count = 0;
    if (build_index(model, &index))
        edges = calloc(EDGE_LIMIT, sizeof *edges);
    for (uint32_t i = 0; edges && i < model->slice_count && *count < EDGE_LIMIT; i++) {
        const struct slice *slice = &model->slices[i];
        if (slice->kind != SLICE_CALL || slice->peer_pid == NONE)
            continue;
        int32_t peer = wait_edges_process(model, process_of(model, i), slice->peer_pid,
                                          slice->start + slice->duration);
        int32_t other = peer == NONE ? NONE : find_overlap(model, &index, (uint32_t)peer, slice);
        if (other == NONE)
            continue;
        int64_t start = model->slices[other].start;
        edges[(*count)++] = (struct wait_edge){.waiter = i,
                                               .holder = (uint32_t)other,
                                               .time = start > slice->start ? start : slice->start};
    }
    free(index.first);
    free(index.slices);
    return edges;
}
