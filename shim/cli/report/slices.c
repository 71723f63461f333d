// SPDX-License-Identifier: MIT
/* The timeline of a model: its slices, of which the longest are kept, and how pipes filled. */
#include <stdlib.h>

#include "cli/report/model.h"

static unsigned bucket_of(int64_t duration)
{
    uint64_t value = duration < 4 ? 4 : (uint64_t)duration;
    unsigned octave = 63 - (unsigned)__builtin_clzll(value);
    unsigned quarter = (unsigned)(value >> (octave - 2)) & 3;
    unsigned bucket = 4 * octave + quarter;
    return bucket < DURATION_BUCKETS ? bucket : DURATION_BUCKETS - 1;
}

/* The first duration above the bucket. */
static int64_t bucket_end(unsigned bucket)
{
    return (int64_t)(5 + bucket % 4) << (bucket / 4 - 2);
}

int64_t site_percentile(const struct call_site *site, unsigned percent)
{
    uint64_t wanted = (site->count * percent + 99) / 100;
    uint64_t seen = 0;
    for (unsigned i = 8; i < DURATION_BUCKETS; i++) {
        seen += site->buckets[i];
        if (seen >= wanted)
            return bucket_end(i) < site->longest ? bucket_end(i) : site->longest;
    }
    return site->longest;
}

static void sift_down(struct slice *heap, uint32_t count, uint32_t at)
{
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (heap[child].duration < heap[least].duration)
                least = child;
        if (least == at)
            return;
        struct slice swap = heap[at];
        heap[at] = heap[least];
        heap[least] = swap;
        at = least;
    }
}

static void sift_up(struct slice *heap, uint32_t at)
{
    while (at > 0 && heap[at].duration < heap[(at - 1) / 2].duration) {
        struct slice swap = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
}

static void keep_slice(struct model *model, const struct slice *slice)
{
    if (model->slice_count < SLICE_LIMIT) {
        model->slices[model->slice_count] = *slice;
        sift_up(model->slices, model->slice_count++);
        return;
    }
    model->overflow.slices++;
    if (slice->duration > model->slices[0].duration) {
        model->slices[0] = *slice;
        sift_down(model->slices, model->slice_count, 0);
    }
}

void model_add_slice(struct model *model, const struct slice *slice)
{
    struct call_site *site = &model->sites[slice->site];
    struct process *process = &model->processes[model->threads[slice->thread].process];
    if (slice->kind != SLICE_DRAIN) {
        site->count++;
        site->total += slice->duration;
        site->buckets[bucket_of(slice->duration)]++;
        if (slice->duration > site->longest || site->count == 1) {
            site->longest = slice->duration;
            site->object = slice->object;
        }
        if (slice->flags & SLICE_NEVER_RETURNED)
            site->never_returned++;
    }
    if (slice->kind == SLICE_CALL) {
        model->calls++;
        model->blocked += slice->duration;
        process->calls++;
        process->blocked += slice->duration;
        if (slice->flags & SLICE_NEVER_RETURNED)
            model->never_returned++;
    } else if (slice->kind == SLICE_LAG) {
        model->lags++;
        model->lag_total += slice->duration;
    }
    if (slice->start < model->first_time)
        model->first_time = slice->start;
    keep_slice(model, slice);
}

void model_add_fill(struct model *model, const struct fill_sample *sample)
{
    if (model->fill_count == FILL_LIMIT)
        model->overflow.fills++;
    else
        model->fills[model->fill_count++] = *sample;
}

static int by_start(const void *left, const void *right)
{
    const struct slice *a = left;
    const struct slice *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return (a->duration < b->duration) - (a->duration > b->duration);
}

static int by_time(const void *left, const void *right)
{
    const struct fill_sample *a = left;
    const struct fill_sample *b = right;
    return (a->time > b->time) - (a->time < b->time);
}

/* Times in a log are rounded: a call must not seem to last into its thread's next one. */
static void trim_overlaps(struct model *model)
{
    int64_t *next_start = malloc((model->thread_count + 1) * sizeof *next_start);
    if (!next_start)
        return;
    for (uint32_t i = 0; i < model->thread_count; i++)
        next_start[i] = INT64_MAX;
    for (uint32_t i = model->slice_count; i-- > 0;) {
        struct slice *slice = &model->slices[i];
        if (slice->kind != SLICE_CALL)
            continue;
        if (slice->duration > next_start[slice->thread] - slice->start)
            slice->duration = next_start[slice->thread] - slice->start;
        next_start[slice->thread] = slice->start;
    }
    free(next_start);
}

void model_sort_slices(struct model *model)
{
    if (model->slice_count > 0)
        qsort(model->slices, model->slice_count, sizeof *model->slices, by_start);
    trim_overlaps(model);
    if (model->fill_count > 0)
        qsort(model->fills, model->fill_count, sizeof *model->fills, by_time);
}
