// SPDX-License-Identifier: MIT
/*
 * The Trace Event Format. Blocked calls are complete events ("X"), which must nest within a
 * thread: a thread is in one call at a time. Loop lag and drains overlap calls, so that they are
 * async events ("b", "e") with a track of their own.
 */
#include "cli/report/formats.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/report/event_fields.h"
#include "cli/report/json_writer.h"
#include "cli/report/stack_view.h"
#include "cli/report/wait_edges.h"

/* Above all real pids (at most 2^22): processes whose pid another one in the logs had before. */
enum { SYNTHETIC_PID = 10000000 };
/* Nor is it a tid: each deadlock has a track of its own in each of its processes, for who only
 * waits for a child has no blocked call, and an arrow needs a slice at both ends. */
enum { SYNTHETIC_TID = 10000000 };

enum point_kind { POINT_SLICE, POINT_ASYNC_END, POINT_FILL, POINT_FLOW, POINT_DEADLOCK };

/* One event of the output: they are sorted by time before they are written. */
struct point {
    int64_t time;
    enum point_kind kind;
    uint32_t index;
};

static int by_time(const void *left, const void *right)
{
    const struct point *a = left;
    const struct point *b = right;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static uint32_t trace_pid(const struct model *model, uint32_t process)
{
    const struct process *one = &model->processes[process];
    return one->older == 0 ? (uint32_t)one->pid : SYNTHETIC_PID + process;
}

static void write_ids(const struct model *model, uint32_t thread, int64_t time, FILE *out)
{
    const struct thread *one = &model->threads[thread];
    fprintf(out, "\"pid\":%u,\"tid\":%d,\"ts\":%" PRId64, trace_pid(model, one->process),
            one->tid == NONE ? 0 : one->tid, time - model->first_time);
}

static void write_argument(const struct model *model, const char *name, string_id value, FILE *out)
{
    if (value == 0)
        return;
    fprintf(out, ",\"%s\":", name);
    json_write_string(out, model_text(model, value));
}

static void write_where(const struct model *model, const struct call_site *site, FILE *out)
{
    uint32_t frames[STACK_LIMIT];
    char text[FRAME_TEXT_LIMIT];
    const struct frame *user = site_user_frame(model, site);
    if (!user || site_stack(model, site, frames) == 0)
        return;
    fputs(",\"function\":", out);
    json_write_string(out, frame_function(model, user, text));
    fputs(",\"line\":", out);
    json_write_string(out, frame_place(model, user, text));
    fputs(",\"in\":", out);
    json_write_string(out, frame_function(model, &model->frames[frames[0]], text));
}

static void write_arguments(const struct model *model, const struct slice *slice, FILE *out)
{
    const struct call_site *site = &model->sites[slice->site];
    fprintf(out, ",\"args\":{\"ms\":%.3f", (double)slice->duration / 1000);
    if (slice->fd >= 0)
        fprintf(out, ",\"fd\":%d", slice->fd);
    write_argument(model, "object", slice->object, out);
    write_argument(model, "other end", slice->peer, out);
    if (slice->kind != SLICE_DRAIN)
        write_where(model, site, out);
    if (slice->flags & SLICE_NEVER_RETURNED)
        fputs(",\"end\":\"never returned\"", out);
    else if (slice->flags & SLICE_END_UNKNOWN)
        fputs(",\"end\":\"not in the log\"", out);
    fputs("}}", out);
}

static void write_slice(const struct model *model, uint32_t index, FILE *out)
{
    const struct slice *slice = &model->slices[index];
    const struct call_site *site = &model->sites[slice->site];
    if (slice->kind == SLICE_CALL) {
        fprintf(out, "{\"ph\":\"X\",\"dur\":%" PRId64 ",", slice->duration);
        write_ids(model, slice->thread, slice->start, out);
        fputs(",\"name\":", out);
        json_write_string(out, model_text(model, site->call));
        fputs(",\"cat\":", out);
        json_write_string(out, site->class_name ? model_text(model, site->class_name) : "blocked");
    } else {
        fprintf(out, "{\"ph\":\"b\",\"id\":\"%u\",", index);
        write_ids(model, slice->thread, slice->start, out);
        fputs(slice->kind == SLICE_LAG ? ",\"name\":\"event loop away\",\"cat\":\"lag\""
                                       : ",\"name\":\"draining\",\"cat\":\"drain\"",
              out);
    }
    write_arguments(model, slice, out);
}

static void write_async_end(const struct model *model, uint32_t index, FILE *out)
{
    const struct slice *slice = &model->slices[index];
    fprintf(out, "{\"ph\":\"e\",\"id\":\"%u\",", index);
    write_ids(model, slice->thread, slice->start + slice->duration, out);
    fputs(slice->kind == SLICE_LAG ? ",\"name\":\"event loop away\",\"cat\":\"lag\"}"
                                   : ",\"name\":\"draining\",\"cat\":\"drain\"}",
          out);
}

static void write_fill(const struct model *model, const struct fill_sample *fill, FILE *out)
{
    fprintf(out,
            "{\"ph\":\"C\",\"pid\":%u,\"tid\":0,\"ts\":%" PRId64 ",\"name\":\"pipe:[%" PRIu64
            "] fill\",\"args\":{\"bytes\":%" PRId64 "}}",
            trace_pid(model, fill->process), fill->time - model->first_time, fill->inode,
            fill->used);
}

static void write_flow(const struct model *model, const struct wait_edge *edge, uint32_t id,
                       FILE *out)
{
    fprintf(out, "{\"ph\":\"s\",\"id\":%u,\"name\":\"waits for\",\"cat\":\"wait\",", id);
    write_ids(model, model->slices[edge->waiter].thread, edge->time, out);
    fprintf(out,
            "},\n{\"ph\":\"f\",\"bp\":\"e\",\"id\":%u,\"name\":\"waits for\",\"cat\":\"wait\",",
            id);
    write_ids(model, model->slices[edge->holder].thread, edge->time, out);
    fputs("}", out);
}

static uint32_t member_pid(const struct model *model, const struct deadlock *deadlock, unsigned i)
{
    const struct chain_member *member = &deadlock->members[i];
    int32_t process = wait_edges_process(model, deadlock->process, member->pid, deadlock->time);
    return process == NONE ? (uint32_t)member->pid : trace_pid(model, (uint32_t)process);
}

static const char *member_name(const struct model *model, const struct chain_member *member)
{
    return model_text(model, member->name ? member->name : member->comm);
}

static void write_track(const struct model *model, const struct deadlock *deadlock, unsigned i,
                        FILE *out)
{
    fprintf(out, "\"pid\":%u,\"tid\":%u,\"ts\":%" PRId64, member_pid(model, deadlock, i),
            SYNTHETIC_TID + (unsigned)(deadlock - model->deadlocks),
            deadlock->time - model->first_time);
}

static void write_arrow(const struct model *model, const struct deadlock *deadlock, unsigned from,
                        unsigned to, FILE *out)
{
    unsigned id =
        EDGE_LIMIT + 1 + from + CHAIN_MEMBERS_LIMIT * (unsigned)(deadlock - model->deadlocks);
    fprintf(out, ",\n{\"ph\":\"s\",\"id\":%u,\"name\":\"waits for\",\"cat\":\"deadlock\",", id);
    write_track(model, deadlock, from, out);
    fprintf(out,
            "},\n{\"ph\":\"f\",\"bp\":\"e\",\"id\":%u,\"name\":\"waits for\",\"cat\":\"deadlock\",",
            id);
    write_track(model, deadlock, to, out);
    fputs("}", out);
}

/* From when it was found to the end of the logs. */
static void write_member(const struct model *model, const struct deadlock *deadlock, unsigned i,
                         FILE *out)
{
    const struct chain_member *member = &deadlock->members[i];
    fprintf(out, ",\n{\"ph\":\"X\",\"dur\":%" PRId64 ",", model->last_time - deadlock->time);
    write_track(model, deadlock, i, out);
    fputs(",\"name\":", out);
    json_write_string(out, model_text(model, member->waits_in));
    fputs(",\"cat\":\"deadlock\",\"args\":{\"process\":", out);
    json_write_string(out, member_name(model, member));
    write_argument(model, "on", member->object, out);
    write_argument(model, "line", member->where, out);
    write_argument(model, "source", member->source, out);
    fputs("}}", out);
}

static void write_chain(const struct model *model, const struct deadlock *deadlock, FILE *out)
{
    uint32_t count =
        deadlock->member_count < CHAIN_MEMBERS_LIMIT ? deadlock->member_count : CHAIN_MEMBERS_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        write_member(model, deadlock, i, out);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < count; k++)
            if (k != i && deadlock->members[k].pid == deadlock->members[i].for_pid)
                write_arrow(model, deadlock, i, k, out);
}

/* The tracks of deadlocks, and processes of which there is no log. */
static void write_chain_names(const struct model *model, const struct deadlock *deadlock, FILE *out)
{
    for (uint32_t i = 0; i < deadlock->member_count && i < CHAIN_MEMBERS_LIMIT; i++) {
        const struct chain_member *member = &deadlock->members[i];
        char text[STRING_LENGTH_LIMIT + 64];
        uint32_t pid = member_pid(model, deadlock, i);
        fprintf(out,
                ",\n{\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"ts\":0,\"name\":\"thread_name\","
                "\"args\":{\"name\":",
                pid, SYNTHETIC_TID + (unsigned)(deadlock - model->deadlocks));
        json_write_string(out, deadlock->kind ? model_text(model, deadlock->kind) : "deadlock");
        fputs("}}", out);
        if (wait_edges_process(model, deadlock->process, member->pid, deadlock->time) != NONE)
            continue;
        snprintf(text, sizeof text, "%s[%d]", member_name(model, member), member->pid);
        fprintf(out,
                ",\n{\"ph\":\"M\",\"pid\":%u,\"tid\":0,\"ts\":0,\"name\":\"process_name\","
                "\"args\":{\"name\":",
                pid);
        json_write_string(out, text);
        fputs("}}", out);
    }
}

static void write_deadlock(const struct model *model, const struct deadlock *deadlock, FILE *out)
{
    fprintf(out,
            "{\"ph\":\"i\",\"s\":\"p\",\"pid\":%u,\"tid\":0,\"ts\":%" PRId64
            ",\"name\":\"deadlock\",\"cat\":\"deadlock\",\"args\":{\"processes\":%u",
            trace_pid(model, deadlock->process), deadlock->time - model->first_time,
            deadlock->member_count);
    write_argument(model, "fix", deadlock->advice, out);
    fputs("}}", out);
    write_chain(model, deadlock, out);
}

static void write_names(const struct model *model, FILE *out)
{
    for (uint32_t i = 0; i < model->process_count; i++) {
        const struct process *process = &model->processes[i];
        char text[2 * STRING_LENGTH_LIMIT + 64];
        const char *host = model_text(model, process->host);
        snprintf(text, sizeof text, "%s[%d]%s%s", model_text(model, process->exe), process->pid,
                 *host ? " on " : "", host);
        fprintf(out,
                "%s{\"ph\":\"M\",\"pid\":%u,\"tid\":0,\"ts\":0,\"name\":\"process_name\","
                "\"args\":{\"name\":",
                i > 0 ? ",\n" : "", trace_pid(model, i));
        json_write_string(out, text);
        fputs("}}", out);
    }
    for (uint32_t i = 0; i < model->thread_count; i++) {
        const struct thread *thread = &model->threads[i];
        if (thread->name == 0)
            continue;
        fprintf(out,
                ",\n{\"ph\":\"M\",\"pid\":%u,\"tid\":%d,\"ts\":0,\"name\":\"thread_name\","
                "\"args\":{\"name\":",
                trace_pid(model, thread->process), thread->tid == NONE ? 0 : thread->tid);
        json_write_string(out, model_text(model, thread->name));
        fputs("}}", out);
    }
    for (uint32_t i = 0; i < model->deadlock_count; i++)
        write_chain_names(model, &model->deadlocks[i], out);
}

static uint32_t collect_points(const struct model *model, const struct wait_edge *edges,
                               uint32_t edge_count, struct point *points)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->slice_count; i++) {
        const struct slice *slice = &model->slices[i];
        points[count++] = (struct point){slice->start, POINT_SLICE, i};
        if (slice->kind != SLICE_CALL)
            points[count++] = (struct point){slice->start + slice->duration, POINT_ASYNC_END, i};
    }
    for (uint32_t i = 0; i < model->fill_count; i++)
        points[count++] = (struct point){model->fills[i].time, POINT_FILL, i};
    for (uint32_t i = 0; i < edge_count; i++)
        points[count++] = (struct point){edges[i].time, POINT_FLOW, i};
    for (uint32_t i = 0; i < model->deadlock_count; i++)
        points[count++] = (struct point){model->deadlocks[i].time, POINT_DEADLOCK, i};
    qsort(points, count, sizeof *points, by_time);
    return count;
}

void format_perfetto(const struct model *model, FILE *out)
{
    uint32_t edge_count;
    struct wait_edge *edges = wait_edges_find(model, &edge_count);
    size_t limit =
        2 * (size_t)model->slice_count + model->fill_count + edge_count + model->deadlock_count + 1;
    struct point *points = calloc(limit, sizeof *points);
    uint32_t count = points ? collect_points(model, edges, edge_count, points) : 0;
    char start[32];
    fprintf(out,
            "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"tool\":\"pipeshim " PIPESHIM_VERSION
            "\",\"start (UTC)\":\"%s\",\"calls left out\":\"%" PRIu64 "\"},\n\"traceEvents\":[\n",
            time_text(model->events > 0 ? model->first_time : TIME_UNKNOWN, start),
            model->overflow.slices);
    write_names(model, out);
    for (uint32_t i = 0; i < count; i++) {
        const struct point *point = &points[i];
        fputs(i > 0 || model->process_count > 0 ? ",\n" : "", out);
        if (point->kind == POINT_SLICE)
            write_slice(model, point->index, out);
        else if (point->kind == POINT_ASYNC_END)
            write_async_end(model, point->index, out);
        else if (point->kind == POINT_FILL)
            write_fill(model, &model->fills[point->index], out);
        else if (point->kind == POINT_FLOW)
            write_flow(model, &edges[point->index], point->index + 1, out);
        else
            write_deadlock(model, &model->deadlocks[point->index], out);
    }
    fputs("\n]}\n", out);
    free(points);
    free(edges);
}
