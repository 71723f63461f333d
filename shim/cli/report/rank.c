// SPDX-License-Identifier: MIT
/* Call sites by the time that they cost. */
#include <stdlib.h>

#include "cli/report/model.h"

static int by_total(const void *left, const void *right, void *context)
{
    const struct model *model = context;
    const struct call_site *a = &model->sites[*(const uint32_t *)left];
    const struct call_site *b = &model->sites[*(const uint32_t *)right];
    if (a->total != b->total)
        return a->total < b->total ? 1 : -1;
    return (a > b) - (a < b);
}

uint32_t *model_rank_sites(const struct model *model, enum site_kind kind, uint32_t *count)
{
    uint32_t *ranking = malloc(model->site_count * sizeof *ranking);
    *count = 0;
    if (!ranking)
        return NULL;
    for (uint32_t i = 0; i < model->site_count; i++)
        if (model->sites[i].kind == kind && model->sites[i].count > 0)
            ranking[(*count)++] = i;
    qsort_r(ranking, *count, sizeof *ranking, by_total, (void *)model);
    return ranking;
}
