// SPDX-License-Identifier: MIT
#include "cli/report/formats.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/report/event_fields.h"
#include "cli/report/json_writer.h"
#include "cli/report/stack_view.h"

static void put(FILE *out, const struct model *model, string_id id)
{
    write_clean(out, model_text(model, id), "");
}

static void write_site(const struct model *model, const struct call_site *site, FILE *out)
{
    char total[32];
    char longest[32];
    char where[SITE_WHERE_LIMIT];
    fprintf(out, "pipeshim:   %9s in %" PRIu64 " call%s, longest %s%s: ",
            duration_text(site->total, total), site->count, site->count == 1 ? "" : "s",
            duration_text(site->longest, longest),
            site->never_returned > 0 ? " (never returned)" : "");
    put(out, model, site->exe);
    fputs(" ", out);
    put(out, model, site->call);
    if (site->object != 0) {
        fputs(" ", out);
        put(out, model, site->object);
    }
    site_where(model, site, where);
    if (*where) {
        fputs(", in ", out);
        write_clean(out, where, "");
    }
    if (site->peers[0].count > 0) {
        fputs("; other end: ", out);
        put(out, model, site->peers[0].text);
    }
    fputs("\n", out);
}

static void write_sites(const struct model *model, uint32_t limit, FILE *out)
{
    uint32_t count;
    uint32_t *ranking = model_rank_sites(model, SITE_CALL, &count);
    for (uint32_t i = 0; ranking && i < count && i < limit; i++)
        write_site(model, &model->sites[ranking[i]], out);
    if (ranking && count > limit)
        fprintf(out, "pipeshim:   and %u more call sites\n", count - limit);
    free(ranking);
}

void format_summary(const struct model *model, uint32_t limit, FILE *out)
{
    char blocked[32];
    if (model->process_count == 0) {
        fputs("pipeshim: no program was watched: none loaded the library (static, setuid, another "
              "architecture, or excluded)\n",
              out);
        return;
    }
    fprintf(out, "pipeshim: %u process%s watched, ", model->process_count,
            model->process_count == 1 ? "" : "es");
    if (model->calls == 0 && model->lags == 0)
        fputs("no call blocked for longer than its threshold", out);
    else
        fprintf(out, "%" PRIu64 " call%s blocked, %s in all", model->calls,
                model->calls == 1 ? "" : "s", duration_text(model->blocked, blocked));
    if (model->never_returned > 0)
        fprintf(out, ", %" PRIu64 " never returned", model->never_returned);
    if (model->lags > 0)
        fprintf(out, "; event loops were away %" PRIu64 " time%s, %s in all", model->lags,
                model->lags == 1 ? "" : "s", duration_text(model->lag_total, blocked));
    uint32_t deadlocks = 0;
    for (uint32_t i = 0; i < model->deadlock_count; i++)
        deadlocks += model->deadlocks[i].kind == 0;
    if (deadlocks > 0)
        fprintf(out, "; %u DEADLOCK%s", deadlocks, deadlocks == 1 ? "" : "S");
    if (model->deadlock_count > deadlocks)
        fprintf(out, "; %u finding%s", model->deadlock_count - deadlocks,
                model->deadlock_count - deadlocks == 1 ? "" : "s");
    if (model->dropped_bytes > 0)
        fprintf(out, "; %" PRIu64 " bytes dropped", model->dropped_bytes);
    fputs("\n", out);
    write_sites(model, limit, out);
}
