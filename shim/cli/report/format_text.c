// SPDX-License-Identifier: MIT
#include "cli/report/formats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/event_fields.h"
#include "cli/report/json_writer.h"
#include "cli/report/stack_view.h"

enum { TEXT_FRAMES_LIMIT = 40, DATE_LENGTH = 11 };

static void put(FILE *out, const struct model *model, string_id id)
{
    write_clean(out, model_text(model, id), "");
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* Distinct hosts; logs without a host name count as one. */
static unsigned count_hosts(const struct model *model)
{
    unsigned hosts = 0;
    for (uint32_t i = 0; i < model->process_count; i++) {
        uint32_t j = 0;
        while (j < i && model->processes[j].host != model->processes[i].host)
            j++;
        hosts += j == i;
        if (hosts > 99)
            break; /* enough for a headline, and never quadratic */
    }
    return hosts;
}

static void write_headline(const struct model *model, FILE *out)
{
    char from[32];
    char to[32];
    char blocked[32];
    unsigned hosts = count_hosts(model);
    fprintf(out, "%u process%s", model->process_count, model->process_count == 1 ? "" : "es");
    if (hosts > 1)
        fprintf(out, " on %u hosts", hosts);
    if (model->events > 0) {
        time_text(model->first_time, from);
        time_text(model->last_time, to);
        bool same_day = strncmp(from, to, DATE_LENGTH) == 0;
        fprintf(out, ", %s to %s UTC", from, same_day ? to + DATE_LENGTH : to);
    }
    fprintf(out, "\n%" PRIu64 " blocked call%s, %s in all", model->calls, plural(model->calls),
            duration_text(model->blocked, blocked));
    if (model->never_returned > 0)
        fprintf(out, ", %" PRIu64 " never returned", model->never_returned);
    if (model->summaries > 0)
        fprintf(out, "; the library's own cost: %s of CPU",
                duration_text(model->overhead, blocked));
    if (model->lags > 0)
        fprintf(out, "\n%" PRIu64 " time%s an event loop was away from its wait, %s in all",
                model->lags, plural(model->lags), duration_text(model->lag_total, blocked));
    fputs("\n", out);
}

static void put_line(FILE *out, const struct model *model, const char *before, string_id text)
{
    if (text == 0)
        return;
    fputs(before, out);
    put(out, model, text);
    fputs("\n", out);
}

static void write_member(const struct model *model, const struct chain_member *member, FILE *out)
{
    put_line(out, model, "  ", member->link);
    if (member->code != 0)
        fprintf(out, "%s\n", model_text(model, member->code));
}

static void write_deadlocks(const struct model *model, FILE *out)
{
    for (uint32_t i = 0; i < model->deadlock_count; i++) {
        const struct deadlock *deadlock = &model->deadlocks[i];
        char when[32];
        put_line(out, model, "\n", deadlock->verdict);
        fprintf(out, "  found at %s UTC", time_text(deadlock->time, when));
        if (deadlock->count > 1)
            fprintf(out, ", reported %" PRIu64 " times", deadlock->count);
        fputs("\n", out);
        put_line(out, model, "  ", deadlock->words);
        for (uint32_t j = 0; j < deadlock->member_count; j++)
            write_member(model, &deadlock->members[j], out);
        put_line(out, model, "  fix: ", deadlock->advice);
        put_line(out, model, "  now: ", deadlock->rescue);
    }
    if (model->overflow.deadlocks > 0)
        fprintf(out, "\nand %" PRIu64 " more deadlock reports\n", model->overflow.deadlocks);
}

static void write_peers(const struct model *model, const struct call_site *site, FILE *out)
{
    for (unsigned i = 0; i < PEER_KINDS_LIMIT && site->peers[i].count > 0; i++) {
        const struct peer_kind *peer = &site->peers[i];
        fputs(i == 0 ? "    other end: " : "               ", out);
        put(out, model, peer->text);
        fprintf(out, "  (%" PRIu64 " of %" PRIu64 " time%s", peer->count, site->count,
                plural(site->count));
        if (peer->pid != NONE)
            fprintf(out, ", last pid %d", peer->pid);
        fputs(")\n", out);
    }
}

static void write_stack(const struct model *model, const struct call_site *site, FILE *out)
{
    uint32_t frames[STACK_LIMIT];
    char text[FRAME_TEXT_LIMIT];
    uint32_t count = site_stack(model, site, frames);
    uint32_t shown = count > TEXT_FRAMES_LIMIT ? TEXT_FRAMES_LIMIT : count;
    for (uint32_t i = 0; i < shown; i++) {
        const struct frame *frame = &model->frames[frames[i]];
        fprintf(out, "      #%-2u ", i);
        write_clean(out, frame_function(model, frame, text), "");
        frame_place(model, frame, text);
        if (*text) {
            fputs("  ", out);
            write_clean(out, text, "");
        }
        fputs("\n", out);
    }
    if (count > shown)
        fprintf(out, "      and %u outer frames\n", count - shown);
}

static void write_figures(const struct call_site *site, FILE *out)
{
    char text[4][32];
    fprintf(out, "%" PRIu64 " time%s, p50 <= %s, p99 <= %s, longest %s", site->count,
            plural(site->count), duration_text(site_percentile(site, 50), text[0]),
            duration_text(site_percentile(site, 99), text[1]),
            duration_text(site->longest, text[2]));
    if (site->never_returned > 0)
        fprintf(out, ", %" PRIu64 " never returned", site->never_returned);
    if (site->on_loop)
        fputs(", on an event loop", out);
}

static void write_site(const struct model *model, const struct call_site *site, uint32_t rank,
                       int64_t whole, FILE *out)
{
    char total[32], where[SITE_WHERE_LIMIT];
    fprintf(out, "\n%3u. %s  %.0f%%  ", rank, duration_text(site->total, total),
            whole > 0 ? 100.0 * (double)site->total / (double)whole : 0);
    put(out, model, site->exe);
    fputs(": ", out);
    put(out, model, site->call);
    if (site->class_name != 0) {
        fputs(" (", out);
        put(out, model, site->class_name);
        fputs(")", out);
    }
    fputs("\n    ", out);
    write_figures(site, out);
    fputs("\n", out);
    if (*site_where(model, site, where)) {
        fputs("    in: ", out);
        write_clean(out, where, "");
        fputs("\n", out);
    }
    if (site->object != 0) {
        fputs(site->count > 1 ? "    longest on: " : "    on: ", out);
        put(out, model, site->object);
        fputs("\n", out);
    }
    write_peers(model, site, out);
    if (site->advice != 0) {
        fputs("    advice: ", out);
        put(out, model, site->advice);
        fputs("\n", out);
    }
    if (site->note != 0) {
        fputs("    note: ", out);
        put(out, model, site->note);
        fputs("\n", out);
    }
    write_stack(model, site, out);
}

static void write_sites(const struct model *model, enum site_kind kind, const char *title,
                        int64_t whole, uint32_t limit, FILE *out)
{
    uint32_t count;
    uint32_t *ranking = model_rank_sites(model, kind, &count);
    if (!ranking || count == 0) {
        free(ranking);
        return;
    }
    fprintf(out, "\n%s (innermost frame first)\n", title);
    int64_t rest = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i < limit)
            write_site(model, &model->sites[ranking[i]], i + 1, whole, out);
        else
            rest += model->sites[ranking[i]].total;
    }
    char text[32];
    if (count > limit)
        fprintf(out, "\n     and %u more, %s together\n", count - limit, duration_text(rest, text));
    free(ranking);
}

static void write_causes(const struct model *model, FILE *out)
{
    char text[32];
    for (uint32_t i = 0; i < model->cause_count; i++) {
        fputs(i == 0 ? "    of this: " : ", ", out);
        put(out, model, model->causes[i].name);
        fprintf(out, " %s", duration_text(model->causes[i].total, text));
    }
    if (model->cause_count > 0)
        fputs("\n", out);
}

static void write_drains(const struct model *model, FILE *out)
{
    char text[32];
    if (model->drain_count > 0)
        fputs("\nDrained\n", out);
    for (uint32_t i = 0; i < model->drain_count; i++) {
        const struct drain *drain = &model->drains[i];
        fputs("    ", out);
        put(out, model, model->processes[drain->process].exe);
        fprintf(out, "[%d] fd %d ", model->processes[drain->process].pid, drain->fd);
        put(out, model, drain->object);
        fprintf(out, ": %" PRIu64 " time%s, %s, at most %" PRIu64 " bytes queued\n", drain->count,
                plural(drain->count), duration_text(drain->total, text), drain->peak_bytes);
    }
    if (model->dropped_writes > 0 || model->dropped_bytes > 0)
        fprintf(out, "    dropped: %" PRIu64 " bytes in %" PRIu64 " writes\n", model->dropped_bytes,
                model->dropped_writes);
    if (model->handed_bytes > 0)
        fprintf(out, "    handed over at exit: %" PRIu64 " bytes\n", model->handed_bytes);
}

static void write_notes(const struct model *model, FILE *out)
{
    for (uint32_t i = 0; i < model->note_count; i++) {
        const struct note *note = &model->notes[i];
        const struct process *process = &model->processes[note->process];
        char when[32];
        fprintf(out, "%s    %s ", i == 0 ? "\nActions and settings\n" : "",
                time_text(note->time, when));
        put(out, model, process->exe);
        fprintf(out, "[%d] ", process->pid);
        put(out, model, note->text);
        fputs("\n", out);
    }
    if (model->notes_more > 0)
        fprintf(out, "    and %u more\n", model->notes_more);
}

void format_text(const struct model *model, uint32_t limit, FILE *out)
{
    write_headline(model, out);
    write_deadlocks(model, out);
    write_sites(model, SITE_CALL, "Call sites by time blocked", model->blocked, limit, out);
    write_sites(model, SITE_LAG, "Event loops away from their wait", model->lag_total, limit, out);
    write_causes(model, out);
    write_drains(model, out);
    write_notes(model, out);
    for (uint32_t i = 0; i < model->warning_count; i++) {
        fputs(i == 0 ? "\nWarnings\n    " : "    ", out);
        put(out, model, model->warnings[i]);
        fputs("\n", out);
    }
    if (model->fillings > 0)
        fprintf(out, "\n%" PRIu64 " warning%s of a pipe that was filling up\n", model->fillings,
                plural(model->fillings));
}

void format_limits(const struct model *model, const char *before, FILE *out)
{
    static const struct {
        const char *what;
        size_t offset;
    } tables[] = {
        {"events of processes", offsetof(struct model, overflow.processes)},
        {"events of threads", offsetof(struct model, overflow.threads)},
        {"frames", offsetof(struct model, overflow.frames)},
        {"calls at further call sites, counted without their stack,",
         offsetof(struct model, overflow.sites)},
        {"returns of calls open at the same time", offsetof(struct model, overflow.open)},
        {"samples of pipes' fill", offsetof(struct model, overflow.fills)},
        {"events whose stack was shown before, and which are counted without it,",
         offsetof(struct model, overflow.stacks)},
        {"drained fds", offsetof(struct model, overflow.drains)},
        {"texts", offsetof(struct model, strings.overflowed)},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        uint64_t count;
        memcpy(&count, (const char *)model + tables[i].offset, sizeof count);
        if (count > 0)
            fprintf(out, "%s%" PRIu64 " %s found no room in the tables\n", before, count,
                    tables[i].what);
    }
}
