// SPDX-License-Identifier: MIT
/* First all call sites by the time blocked there, then a timeline of each thread. */
#include "cli/report/formats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/json_writer.h"
#include "cli/report/stack_view.h"

/* Frames 0..frame_count of the file are the model's; then come, for each site, its program and its
 * call, which are no frames in the model. Speedscope merges nothing by name: each program and call
 * must be one frame, so that they are looked up here. */
struct extra_frames {
    struct extra_frame {
        string_id name, class_name;
    } * frames;
    uint32_t count;
};

/* Frame numbers of a site's program and call. */
struct stack_ends {
    uint32_t root, leaf;
};

static uint32_t find_extra(struct extra_frames *extra, string_id name, string_id class_name)
{
    uint32_t i = 0;
    while (i < extra->count &&
           (extra->frames[i].name != name || extra->frames[i].class_name != class_name))
        i++;
    if (i == extra->count)
        extra->frames[extra->count++] = (struct extra_frame){name, class_name};
    return i;
}

static void write_model_frame(const struct model *model, const struct frame *frame, FILE *out)
{
    char function[FRAME_TEXT_LIMIT];
    char text[FRAME_TEXT_LIMIT + 32];
    snprintf(text, sizeof text, "%s%s", frame_function(model, frame, function), frame_doubt(frame));
    fputs("{\"name\":", out);
    json_write_string(out, text);
    string_id file = frame->interpreted || frame->source == 0 ? frame->module : frame->source;
    if (file != 0) {
        fputs(",\"file\":", out);
        json_write_string(out, model_text(model, file));
    }
    uint64_t line = frame->interpreted ? frame->offset : frame->line;
    if (line > 0)
        fprintf(out, ",\"line\":%" PRIu64, line);
    putc('}', out);
}

static void write_extra_frame(const struct model *model, const struct extra_frame *frame, FILE *out)
{
    char text[FRAME_TEXT_LIMIT];
    const char *class_name = model_text(model, frame->class_name);
    snprintf(text, sizeof text, "%s%s%s%s", model_text(model, frame->name), *class_name ? " [" : "",
             class_name, *class_name ? "]" : "");
    fputs("{\"name\":", out);
    json_write_string(out, *text ? text : "?");
    putc('}', out);
}

static void write_sample(const struct model *model, const struct call_site *site,
                         struct stack_ends ends, FILE *out)
{
    uint32_t frames[STACK_LIMIT];
    fprintf(out, "[%u", ends.root);
    for (uint32_t i = site_stack(model, site, frames); i-- > 0;)
        fprintf(out, ",%u", frames[i]);
    fprintf(out, ",%u]", ends.leaf);
}

/* One thread's calls, each with its stack, opened from the outermost frame on and closed from the
 * innermost. They follow one another; times of rounded milliseconds must not make them overlap. */
static void write_timeline(const struct model *model, uint32_t thread,
                           const struct stack_ends *ends, FILE *out)
{
    const struct thread *one = &model->threads[thread];
    const struct process *process = &model->processes[one->process];
    char name[2 * STRING_LENGTH_LIMIT + 64];
    int64_t at = 0;
    bool first = true;
    snprintf(name, sizeof name, "%s[%d] %s %d", model_text(model, process->exe), process->pid,
             model_text(model, one->name), one->tid);
    fputs(",\n{\"type\":\"evented\",\"name\":", out);
    json_write_string(out, name);
    fprintf(out,
            ",\"unit\":\"microseconds\",\"startValue\":0,\"endValue\":%" PRId64 ",\n\"events\":[",
            model->last_time - model->first_time);
    for (uint32_t i = 0; i < model->slice_count; i++) {
        const struct slice *slice = &model->slices[i];
        uint32_t frames[STACK_LIMIT];
        if (slice->kind != SLICE_CALL || slice->thread != thread)
            continue;
        uint32_t count = site_stack(model, &model->sites[slice->site], frames);
        int64_t begin = slice->start - model->first_time;
        int64_t end = begin + slice->duration;
        begin = begin > at ? begin : at;
        at = end > begin ? end : begin;
        fprintf(out, "%s{\"type\":\"O\",\"frame\":%u,\"at\":%" PRId64 "}", first ? "\n" : ",\n",
                ends[slice->site].root, begin);
        for (uint32_t f = count; f-- > 0;)
            fprintf(out, ",{\"type\":\"O\",\"frame\":%u,\"at\":%" PRId64 "}", frames[f], begin);
        fprintf(out,
                ",{\"type\":\"O\",\"frame\":%u,\"at\":%" PRId64
                "},{\"type\":\"C\",\"frame\":%u,\"at\":%" PRId64 "}",
                ends[slice->site].leaf, begin, ends[slice->site].leaf, at);
        for (uint32_t f = 0; f < count; f++)
            fprintf(out, ",{\"type\":\"C\",\"frame\":%u,\"at\":%" PRId64 "}", frames[f], at);
        fprintf(out, ",{\"type\":\"C\",\"frame\":%u,\"at\":%" PRId64 "}", ends[slice->site].root,
                at);
        first = false;
    }
    fputs("]}", out);
}

/* Of the threads that were blocked longest: speedscope shows them in one list. */
static void write_timelines(const struct model *model, const struct stack_ends *ends, FILE *out)
{
    enum { TIMELINES = 64 };
    int64_t *blocked = calloc(model->thread_count + 1, sizeof *blocked);
    for (uint32_t i = 0; blocked && i < model->slice_count; i++)
        if (model->slices[i].kind == SLICE_CALL)
            blocked[model->slices[i].thread] += model->slices[i].duration;
    for (int written = 0; blocked && written < TIMELINES; written++) {
        uint32_t longest = 0;
        for (uint32_t i = 1; i < model->thread_count; i++)
            longest = blocked[i] > blocked[longest] ? i : longest;
        if (blocked[longest] == 0)
            break;
        write_timeline(model, longest, ends, out);
        blocked[longest] = 0;
    }
    free(blocked);
}

void format_speedscope(const struct model *model, FILE *out)
{
    uint32_t count;
    uint32_t *ranking = model_rank_sites(model, SITE_CALL, &count);
    struct extra_frames extra = {.frames = calloc(2 * (size_t)SITE_LIMIT, sizeof *extra.frames)};
    struct stack_ends *ends = calloc(SITE_LIMIT, sizeof *ends);
    if (!ranking || !extra.frames || !ends)
        count = 0;
    int64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct call_site *site = &model->sites[ranking[i]];
        struct stack_ends *both = &ends[ranking[i]];
        both->root = model->frame_count + find_extra(&extra, site->exe, 0);
        both->leaf = model->frame_count + find_extra(&extra, site->call, site->class_name);
        total += site->total;
    }
    fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
          "\"exporter\":\"pipeshim@" PIPESHIM_VERSION "\",\n"
          "\"name\":\"time blocked\",\n\"activeProfileIndex\":0,\n\"shared\":{\"frames\":[\n",
          out);
    for (uint32_t i = 0; i < model->frame_count; i++) {
        fputs(i > 0 ? ",\n" : "", out);
        write_model_frame(model, &model->frames[i], out);
    }
    for (uint32_t i = 0; i < extra.count; i++) {
        fputs(model->frame_count + i > 0 ? ",\n" : "", out);
        write_extra_frame(model, &extra.frames[i], out);
    }
    fprintf(out,
            "]},\n\"profiles\":[{\"type\":\"sampled\",\"name\":\"time blocked\","
            "\"unit\":\"microseconds\",\"startValue\":0,\"endValue\":%" PRId64 ",\n\"samples\":[",
            total);
    for (uint32_t i = 0; i < count; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        write_sample(model, &model->sites[ranking[i]], ends[ranking[i]], out);
    }
    fputs("],\n\"weights\":[", out);
    for (uint32_t i = 0; i < count; i++)
        fprintf(out, "%s%" PRId64, i > 0 ? "," : "", model->sites[ranking[i]].total);
    fputs("]}", out);
    if (count > 0)
        write_timelines(model, ends, out);
    fputs("]}\n", out);
    free(ends);
    free(extra.frames);
    free(ranking);
}
