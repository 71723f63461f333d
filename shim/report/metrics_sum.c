// SPDX-License-Identifier: MIT
/* Status pages of many processes made one. */
#include <string.h>

#include "report/metrics_text.h"

uint64_t metrics_fill(const struct status_stream *stream)
{
    static const uint64_t one = METRICS_FILL_ONE;
    uint64_t capacity = (uint64_t)stream->capacity;
    uint64_t used = (uint64_t)stream->used;
    if (stream->capacity <= 0 || stream->used <= 0)
        return 0;
    return used >= capacity ? one : used * one / capacity;
}

void metrics_see(struct metrics_group *group, const struct status_page *page)
{
    group->processes++;
    for (uint32_t i = 0; i < page->call_count; i++) {
        unsigned class = page->calls[i].class;
        uint64_t since = page->calls[i].since_ns;
        if (group->blocked_now[class]++ == 0 || since < group->blocked_since[class])
            group->blocked_since[class] = since;
    }
    for (int fd = 0; fd < STATUS_STREAMS; fd++)
        if (page->streams[fd].capacity > 0 &&
            (group->streams[fd].capacity <= 0 ||
             metrics_fill(&page->streams[fd]) > metrics_fill(&group->streams[fd])))
            group->streams[fd] = page->streams[fd];
    for (uint32_t i = 0; i < page->drain_count; i++) {
        int fd = page->drains[i].fd;
        group->queued_bytes[fd >= 0 && fd < METRICS_FDS - 1 ? fd : METRICS_FDS - 1] +=
            page->drains[i].queued_bytes;
    }
}

/* As it will be in a label: two names that a label cannot tell apart are one. */
static void label_name(char name[STATUS_NAME], const char *thread)
{
    unsigned i = 0;
    for (; i < STATUS_NAME - 1 && thread[i]; i++)
        name[i] = thread[i] < ' ' || thread[i] > '~' ? '?' : thread[i];
    name[i] = '\0';
}

static struct status_loop *find_loop(struct status_page *page, const char *name)
{
    for (uint32_t i = 0; i < page->loop_count; i++)
        if (strcmp(page->loops[i].thread, name) == 0)
            return &page->loops[i];
    return NULL;
}

static void add_loop(struct status_page *sum, const struct status_loop *loop)
{
    static const char other[STATUS_NAME] = "other";
    char name[STATUS_NAME];
    label_name(name, loop->thread);
    struct status_loop *to = find_loop(sum, name);
    /* The last place is everybody's who comes later. */
    if (!to && sum->loop_count >= METRICS_LOOPS - 1) {
        memcpy(name, other, sizeof name);
        to = find_loop(sum, name);
    }
    if (!to) {
        to = &sum->loops[sum->loop_count++];
        *to = (struct status_loop){.tid = loop->tid};
        memcpy(to->thread, name, sizeof name);
    }
    to->iterations += loop->iterations;
    to->lags += loop->lags;
    to->lag_total_ns += loop->lag_total_ns;
    for (unsigned i = 0; i < LAG_BUCKETS; i++)
        to->lag_histogram[i] += loop->lag_histogram[i];
}

void metrics_add(struct status_page *sum, const struct status_page *page, bool now)
{
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        sum->classes[class].blocked += page->classes[class].blocked;
        sum->classes[class].returned += page->classes[class].returned;
        sum->classes[class].returned_ns += page->classes[class].returned_ns;
        for (unsigned i = 0; i <= STATUS_BUCKETS; i++)
            sum->classes[class].bucket[i] += page->classes[class].bucket[i];
    }
    for (unsigned kind = 0; kind < STATUS_KINDS; kind++) {
        sum->found[kind] += page->found[kind];
        sum->active[kind] += now && page->active[kind];
    }
    for (unsigned cause = 0; cause < CAUSE_COUNT; cause++)
        sum->lag_cause_ns[cause] += page->lag_cause_ns[cause];
    for (uint32_t i = 0; i < page->loop_count; i++)
        add_loop(sum, &page->loops[i]);
    sum->watchdog_cpu_ns += page->watchdog_cpu_ns;
    sum->held_back += page->held_back;
    sum->suppressed += page->suppressed;
    sum->dropped += page->dropped;
    sum->drained_bytes += page->drained_bytes;
    sum->drain_dropped_bytes += page->drain_dropped_bytes;
    sum->drain_dropped_writes += page->drain_dropped_writes;
    sum->draining += now ? page->draining : 0;
}
