// SPDX-License-Identifier: MIT
/*
 * page.html with the model as JSON in the place of @DATA@. The page's script reads these arrays by
 * position: change both together.
 */
#include "cli/report/formats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/json_writer.h"
#include "cli/report/page.h"
#include "cli/report/stack_view.h"

static void write_key(FILE *out, const char *key)
{
    fprintf(out, ",\n\"%s\":", key);
}

static void write_text(const struct model *model, string_id id, FILE *out)
{
    json_write_string(out, model_text(model, id));
}

static void write_processes(const struct model *model, FILE *out)
{
    write_key(out, "processes");
    for (uint32_t i = 0; i < model->process_count; i++) {
        const struct process *process = &model->processes[i];
        fprintf(out, "%s{\"pid\":%d,\"exe\":", i > 0 ? ",\n" : "[", process->pid);
        write_text(model, process->exe, out);
        fputs(",\"host\":", out);
        write_text(model, process->host, out);
        fputs("}", out);
    }
    fputs(model->process_count > 0 ? "]" : "[]", out);
    write_key(out, "threads");
    for (uint32_t i = 0; i < model->thread_count; i++) {
        const struct thread *thread = &model->threads[i];
        fprintf(out, "%s[%u,%d,", i > 0 ? ",\n" : "[", thread->process, thread->tid);
        write_text(model, thread->name, out);
        fputs("]", out);
    }
    fputs(model->thread_count > 0 ? "]" : "[]", out);
}

static void write_frames(const struct model *model, FILE *out)
{
    char text[FRAME_TEXT_LIMIT];
    write_key(out, "frames");
    fputs("[", out);
    for (uint32_t i = 0; i < model->frame_count; i++) {
        const struct frame *frame = &model->frames[i];
        fputs(i > 0 ? ",\n[" : "[", out);
        json_write_string(out, frame_function(model, frame, text));
        fputs(",", out);
        json_write_string(out, frame_place(model, frame, text));
        fprintf(out, ",%d]", frame->interpreted != LANGUAGE_NATIVE);
    }
    fputs("]", out);
}

static void write_site(const struct model *model, const struct call_site *site, FILE *out)
{
    uint32_t frames[STACK_LIMIT];
    uint32_t count = site_stack(model, site, frames);
    char where[SITE_WHERE_LIMIT];
    fprintf(out,
            "{\"kind\":%d,\"count\":%" PRIu64 ",\"never\":%" PRIu64 ",\"total\":%" PRId64
            ",\"longest\":%" PRId64 ",\"p50\":%" PRId64 ",\"p99\":%" PRId64 ",\"loop\":%d,\"exe\":",
            site->kind, site->count, site->never_returned, site->total, site->longest,
            site_percentile(site, 50), site_percentile(site, 99), site->on_loop);
    write_text(model, site->exe, out);
    fputs(",\"call\":", out);
    write_text(model, site->call, out);
    fputs(",\"class\":", out);
    write_text(model, site->class_name, out);
    fputs(",\"object\":", out);
    write_text(model, site->object, out);
    fputs(",\"advice\":", out);
    write_text(model, site->advice, out);
    fputs(",\"note\":", out);
    write_text(model, site->note, out);
    fputs(",\"peer\":", out);
    write_text(model, site->peers[0].text, out);
    fputs(",\"where\":", out);
    json_write_string(out, site_where(model, site, where));
    fputs(",\"peers\":[", out);
    for (unsigned i = 0; i < PEER_KINDS_LIMIT && site->peers[i].count > 0; i++) {
        fputs(i > 0 ? ",[" : "[", out);
        write_text(model, site->peers[i].text, out);
        fprintf(out, ",%" PRIu64 ",%d]", site->peers[i].count, site->peers[i].pid);
    }
    fputs("],\"stack\":[", out);
    for (uint32_t i = 0; i < count; i++)
        fprintf(out, "%s%u", i > 0 ? "," : "", frames[i]);
    fputs("]}", out);
}

static void write_slices(const struct model *model, FILE *out)
{
    bool *used = calloc(model->strings.count, sizeof *used);
    write_key(out, "slices");
    fputs("[", out);
    for (uint32_t i = 0; i < model->slice_count; i++) {
        const struct slice *slice = &model->slices[i];
        fprintf(out, "%s[%u,%" PRId64 ",%" PRId64 ",%u,%u,%u,%d,%u,%u,%" PRId64 ",%" PRId64 "]",
                i > 0 ? ",\n" : "", slice->kind, slice->start - model->first_time, slice->duration,
                slice->site, slice->thread, slice->flags, slice->fd, slice->object, slice->peer,
                slice->used, slice->capacity);
        if (used)
            used[slice->object] = used[slice->peer] = true;
    }
    fputs("]", out);
    write_key(out, "strings");
    fputs("{\"0\":\"\"", out);
    for (uint32_t i = 1; used && i < model->strings.count; i++) {
        if (used[i]) {
            fprintf(out, ",\n\"%u\":", i);
            write_text(model, i, out);
        }
    }
    fputs("}", out);
    free(used);
}

static void write_deadlocks(const struct model *model, FILE *out)
{
    write_key(out, "deadlocks");
    fputs("[", out);
    for (uint32_t i = 0; i < model->deadlock_count; i++) {
        const struct deadlock *deadlock = &model->deadlocks[i];
        fprintf(out, "%s{\"time\":%" PRId64 ",\"advice\":", i > 0 ? ",\n" : "",
                deadlock->time - model->first_time);
        write_text(model, deadlock->advice, out);
        fputs(",\"words\":", out);
        write_text(model, deadlock->words, out);
        fputs(",\"verdict\":", out);
        write_text(model, deadlock->verdict, out);
        fputs(",\"rescue\":", out);
        write_text(model, deadlock->rescue, out);
        fputs(",\"members\":[", out);
        for (uint32_t j = 0; j < deadlock->member_count; j++) {
            fputs(j > 0 ? ",[" : "[", out);
            write_text(model, deadlock->members[j].link, out);
            fputs(",", out);
            write_text(model, deadlock->members[j].code, out);
            fputs("]", out);
        }
        fputs("]}", out);
    }
    fputs("]", out);
}

/* The lines of format_limits as an array of strings. */
static void write_notes(const struct model *model, FILE *out)
{
    char *lines = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&lines, &size);
    write_key(out, "notes");
    fputs("[", out);
    if (memory) {
        format_limits(model, "", memory);
        fclose(memory);
        char *rest = lines;
        bool first = true;
        for (char *line; (line = strsep(&rest, "\n")) != NULL && *line; first = false) {
            fputs(first ? "" : ",", out);
            json_write_string(out, line);
        }
    }
    fputs("]", out);
    free(lines);
}

static void write_data(const struct model *model, FILE *out)
{
    int64_t start = model->events > 0 ? model->first_time : 0;
    int64_t end = model->events > 0 ? model->last_time : 0;
    fprintf(out,
            "{\"start\":%" PRId64 ",\"length\":%" PRId64 ",\"events\":%" PRIu64
            ",\"calls\":%" PRIu64 ",\"blocked\":%" PRId64 ",\"never\":%" PRIu64 ",\"lags\":%" PRIu64
            ",\"lag\":%" PRId64 ",\"leftOut\":%" PRIu64,
            start, end - start, model->events, model->calls, model->blocked, model->never_returned,
            model->lags, model->lag_total, model->overflow.slices);
    write_processes(model, out);
    write_frames(model, out);
    write_key(out, "sites");
    fputs("[", out);
    for (uint32_t i = 0; i < model->site_count; i++) {
        fputs(i > 0 ? ",\n" : "", out);
        write_site(model, &model->sites[i], out);
    }
    fputs("]", out);
    write_slices(model, out);
    write_deadlocks(model, out);
    write_notes(model, out);
    fputs("}", out);
}

void format_html(const struct model *model, FILE *out)
{
    static const char marker[] = "@DATA@";
    size_t size = (size_t)(report_page_end - report_page);
    const char *at = memmem(report_page, size, marker, sizeof marker - 1);
    fwrite(report_page, 1, (size_t)(at - report_page), out);
    write_data(model, out);
    at += sizeof marker - 1;
    fwrite(at, 1, (size_t)(report_page_end - at), out);
}
