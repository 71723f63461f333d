// SPDX-License-Identifier: MIT
#include "cli/status/host_sums.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host_group {
    char labels[METRICS_LABELS_LIMIT];
    struct status_page of_the_dead; /* what they had counted */
    struct status_page page;        /* of all, made anew at each scan */
    struct metrics_group metrics;
    uint64_t last_round; /* in which it had a process */
};

/* Two groups are two if their labels are: what a label cannot hold is the same in all names, and
 * one series that is there twice makes Prometheus refuse all. */
static void make_labels(char text[METRICS_LABELS_LIMIT], const char *executable,
                        const struct cgroup_names *cgroup)
{
    struct text_buffer labels;
    text_init(&labels, text, METRICS_LABELS_LIMIT);
    metrics_label(&labels, "exe", executable);
    /* A label without a value is the same as none. */
    if (cgroup->unit[0])
        metrics_label(&labels, "unit", cgroup->unit);
    if (cgroup->container[0])
        metrics_label(&labels, "container", cgroup->container);
}

static struct host_group *find_group(const struct host_sums *sums, const char *labels)
{
    for (unsigned i = 0; i < sums->count; i++)
        if (strcmp(sums->groups[i]->labels, labels) == 0)
            return sums->groups[i];
    return NULL;
}

static struct host_group *add_group(struct host_sums *sums, const char *labels)
{
    struct host_group *group = calloc(1, sizeof *group);
    if (!group)
        return NULL;
    snprintf(group->labels, sizeof group->labels, "%s", labels);
    sums->groups[sums->count++] = group;
    return group;
}

/* Made when the last place is reached, unless there is a program of that name. */
static struct host_group *other_group(struct host_sums *sums)
{
    static const char labels[] = "exe=\"other\"";
    struct host_group *other = find_group(sums, labels);
    return other || sums->count == GROUPS_LIMIT ? other : add_group(sums, labels);
}

static struct host_group *fold_one(struct host_sums *sums, struct host_group *other)
{
    struct host_group *oldest = NULL;
    for (unsigned i = 0; i < sums->count; i++)
        if (sums->groups[i] != other && sums->groups[i]->last_round + 1 < sums->round &&
            (!oldest || sums->groups[i]->last_round < oldest->last_round))
            oldest = sums->groups[i];
    if (oldest) {
        metrics_add(&other->of_the_dead, &oldest->of_the_dead, false);
        sums->folded++;
    }
    return oldest;
}

/* NULL: no memory. */
static struct host_group *group_of(struct host_sums *sums, const struct watched *process)
{
    char labels[METRICS_LABELS_LIMIT];
    make_labels(labels, process->executable, &process->cgroup);
    struct host_group *group = find_group(sums, labels);
    if (group)
        return group;
    if (sums->count < GROUPS_LIMIT - 1)
        return add_group(sums, labels);
    struct host_group *other = other_group(sums);
    struct host_group *reused = other ? fold_one(sums, other) : NULL;
    if (!reused)
        return other;
    *reused = (struct host_group){0};
    snprintf(reused->labels, sizeof reused->labels, "%s", labels);
    return reused;
}

static void keep_the_dead(const struct watched *process, void *context)
{
    struct host_sums *sums = context;
    struct host_group *group = group_of(sums, process);
    if (!group)
        return;
    metrics_add(&group->of_the_dead, &process->page, false);
    group->last_round = sums->round;
}

static bool add_living(struct host_sums *sums)
{
    bool whole = true;
    for (unsigned i = 0; i < sums->count; i++)
        sums->groups[i]->metrics = (struct metrics_group){0};
    for (size_t i = 0; i < sums->list.count; i++) {
        const struct watched *process = sums->list.processes[i];
        struct host_group *group = process->page.pid != 0 ? group_of(sums, process) : NULL;
        whole &= process->page.pid == 0 || group != NULL;
        if (!group)
            continue;
        if (group->metrics.processes == 0)
            group->page = group->of_the_dead;
        group->last_round = sums->round;
        metrics_add(&group->page, &process->page, true);
        metrics_see(&group->metrics, &process->page);
    }
    for (unsigned i = 0; i < sums->count; i++) {
        struct host_group *group = sums->groups[i];
        if (group->metrics.processes == 0)
            group->page = group->of_the_dead;
        group->metrics.labels = group->labels;
        group->metrics.page = &group->page;
    }
    return whole;
}

bool host_sums_refresh(struct host_sums *sums)
{
    const struct watched_visitor visitor = {.gone = keep_the_dead, .context = sums};
    sums->round++;
    errno = ENOMEM;
    return watched_refresh(&sums->list, &visitor) && add_living(sums);
}

bool host_sums_render(struct host_sums *sums, bool open_metrics)
{
    const struct metrics_host host = {.not_permitted = sums->list.unreadable,
                                      .other_version = sums->list.other_version,
                                      .torn = sums->list.torn,
                                      .folded = sums->folded};
    struct metrics_group *groups = calloc(sums->count + 1, sizeof *groups);
    size_t wanted = (size_t)METRICS_GROUP_SIZE * (sums->count + 1);
    if (wanted > sums->capacity) {
        free(sums->text);
        sums->text = malloc(wanted);
        sums->capacity = sums->text ? wanted : 0;
    }
    bool possible = groups && sums->text;
    if (possible) {
        struct text_buffer text;
        for (unsigned i = 0; i < sums->count; i++)
            groups[i] = sums->groups[i]->metrics;
        text_init(&text, sums->text, sums->capacity);
        metrics_render(&text, groups, sums->count, &host, sums->list.now_ns, open_metrics);
        sums->length = text.length;
    }
    free(groups);
    return possible;
}

void host_sums_free(struct host_sums *sums)
{
    for (unsigned i = 0; i < sums->count; i++)
        free(sums->groups[i]);
    free(sums->text);
    watched_free(&sums->list);
    *sums = (struct host_sums){0};
}
