// SPDX-License-Identifier: MIT
/*
 * OpenTelemetry's trace data as OTLP/JSON (one ExportTraceServiceRequest): a span for each blocked
 * call, lag of an event loop and drain, and one of no length for each deadlock and finding.
 *
 * A span's ids are made of what the log says of it (host, pid, thread, kind, fd, time it began), so
 * that the same log read again, or a longer one, has the same spans: a backend that gets them twice
 * keeps one. A call within a lag of its event loop is a child of that; any other
 * span is a trace of its own, with links to what it waited for. A process that runs for a month is
 * no trace.
 */
#include "cli/report/formats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/json_writer.h"
#include "cli/report/stack_view.h"
#include "cli/report/wait_edges.h"

enum { KIND_INTERNAL = 1, STATUS_ERROR = 2 }; /* of trace.proto */

struct span_ids {
    uint64_t trace[2], span;
};

struct spans {
    const struct model *model;
    struct span_ids *ids;         /* of each slice */
    int32_t *parents;             /* of each slice; NONE */
    int32_t *first, *next;        /* of each process its first slice, of each slice the next one */
    const struct wait_edge *edge; /* sorted by waiter */
    uint32_t edge_count;
    FILE *out;
};

#define FNV_BASIS 14695981039346656037ULL

static uint64_t mix_byte(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * 1099511628211ULL; /* FNV-1a */
}

static uint64_t mix_number(uint64_t hash, int64_t number)
{
    for (unsigned bits = 0; bits < 64; bits += 8)
        hash = mix_byte(hash, (unsigned char)((uint64_t)number >> bits));
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = mix_byte(hash, (unsigned char)*text);
    return mix_byte(hash, 0);
}

/* `salt` tells one id from the next: FNV of different beginnings. None may be all zeroes. */
static uint64_t make_id(const struct model *model, const struct slice *slice, uint64_t salt)
{
    const struct thread *thread = &model->threads[slice->thread];
    const struct process *process = &model->processes[thread->process];
    uint64_t hash = FNV_BASIS ^ salt * 0x9e3779b97f4a7c15ULL;
    hash = mix_text(hash, model_text(model, process->host));
    hash = mix_number(mix_number(hash, process->pid), thread->tid);
    hash = mix_number(mix_number(hash, slice->kind), slice->fd);
    hash = mix_number(hash, slice->start);
    return hash ? hash : 1;
}

static struct span_ids ids_of(const struct model *model, const struct slice *slice)
{
    return (struct span_ids){.trace = {make_id(model, slice, 1), make_id(model, slice, 2)},
                             .span = make_id(model, slice, 3)};
}

/* The slices are sorted by their start: a lag comes before the calls made in it. */
static bool make_ids(struct spans *spans)
{
    const struct model *model = spans->model;
    uint32_t *lag = malloc((model->thread_count + 1) * sizeof *lag);
    spans->ids = calloc(model->slice_count + 1, sizeof *spans->ids);
    spans->parents = calloc(model->slice_count + 1, sizeof *spans->parents);
    if (!lag || !spans->ids || !spans->parents) {
        free(lag);
        return false;
    }
    for (uint32_t i = 0; i < model->thread_count; i++)
        lag[i] = UINT32_MAX;
    for (uint32_t i = 0; i < model->slice_count; i++) {
        const struct slice *slice = &model->slices[i];
        uint32_t open = lag[slice->thread];
        const struct slice *outer = open == UINT32_MAX ? NULL : &model->slices[open];
        spans->ids[i] = ids_of(model, slice);
        spans->parents[i] = NONE;
        if (slice->kind == SLICE_LAG) {
            lag[slice->thread] = i;
        } else if (slice->kind == SLICE_CALL && outer &&
                   slice->start + slice->duration <= outer->start + outer->duration) {
            memcpy(spans->ids[i].trace, spans->ids[open].trace, sizeof spans->ids[i].trace);
            spans->parents[i] = (int32_t)open;
        }
    }
    free(lag);
    return true;
}

static void write_text(FILE *out, const char *key, const char *value)
{
    if (!*value)
        return;
    fprintf(out, ",{\"key\":\"%s\",\"value\":{\"stringValue\":", key);
    json_write_string(out, value);
    fputs("}}", out);
}

static void write_number(FILE *out, const char *key, int64_t value)
{
    if (value < 0)
        return;
    fprintf(out, ",{\"key\":\"%s\",\"value\":{\"intValue\":\"%" PRId64 "\"}}", key, value);
}

static void write_ids(FILE *out, const struct span_ids *ids)
{
    fprintf(out, "\"traceId\":\"%016" PRIx64 "%016" PRIx64 "\",\"spanId\":\"%016" PRIx64 "\"",
            ids->trace[0], ids->trace[1], ids->span);
}

static void write_times(FILE *out, int64_t start, int64_t duration)
{
    fprintf(out,
            ",\"kind\":%d,\"startTimeUnixNano\":\"%" PRId64 "000\",\"endTimeUnixNano\":\"%" PRId64
            "000\"",
            KIND_INTERNAL, start, start + duration);
}

static void write_code(const struct spans *spans, const struct call_site *site)
{
    const struct model *model = spans->model;
    char text[FRAME_TEXT_LIMIT];
    const struct frame *frame = site_user_frame(model, site);
    if (!frame)
        return;
    bool has_line = frame->interpreted ? frame->offset != 0 : frame->source != 0;
    write_text(spans->out, "code.function.name", frame_function(model, frame, text));
    write_text(spans->out, "code.file.path",
               model_text(model, frame->source ? frame->source : frame->module));
    if (has_line)
        write_number(spans->out, "code.line.number",
                     frame->interpreted ? (int64_t)frame->offset : frame->line);
    if (has_line && frame->near)
        write_text(spans->out, "pipeshim.code.near", "yes");
    if (has_line && frame->generated)
        write_text(spans->out, "pipeshim.code.generated", "yes");
}

static void write_attributes(const struct spans *spans, const struct slice *slice)
{
    const struct model *model = spans->model;
    const struct call_site *site = &model->sites[slice->site];
    const struct thread *thread = &model->threads[slice->thread];
    FILE *out = spans->out;
    fprintf(out, ",\"attributes\":[{\"key\":\"pipeshim.kind\",\"value\":{\"stringValue\":\"%s\"}}",
            slice->kind == SLICE_CALL  ? "blocked"
            : slice->kind == SLICE_LAG ? "lag"
                                       : "drain");
    write_number(out, "thread.id", thread->tid);
    write_text(out, "thread.name", model_text(model, thread->name));
    write_number(out, "pipeshim.fd", slice->fd);
    write_text(out, "pipeshim.object", model_text(model, slice->object));
    write_text(out, "pipeshim.peer", model_text(model, slice->peer));
    write_number(out, "pipeshim.pipe.used", slice->used);
    write_number(out, "pipeshim.pipe.capacity", slice->capacity);
    if (slice->kind != SLICE_DRAIN) {
        write_text(out, slice->kind == SLICE_LAG ? "pipeshim.cause" : "pipeshim.class",
                   model_text(model, site->class_name));
        write_code(spans, site);
    }
    if (slice->flags & SLICE_END_UNKNOWN)
        write_text(out, "pipeshim.end", "not in the log");
    fputc(']', out);
}

static void write_links(const struct spans *spans, uint32_t waiter)
{
    bool first = true;
    uint32_t low = 0, high = spans->edge_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (spans->edge[middle].waiter < waiter)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < spans->edge_count && spans->edge[low].waiter == waiter; low++) {
        fputs(first ? ",\"links\":[{" : ",{", spans->out);
        write_ids(spans->out, &spans->ids[spans->edge[low].holder]);
        fputs(",\"attributes\":[{\"key\":\"pipeshim.link\",\"value\":{\"stringValue\":"
              "\"waits for\"}}]}",
              spans->out);
        first = false;
    }
    if (!first)
        fputc(']', spans->out);
}

static void write_slice(const struct spans *spans, uint32_t index)
{
    const struct model *model = spans->model;
    const struct slice *slice = &model->slices[index];
    fputc('{', spans->out);
    write_ids(spans->out, &spans->ids[index]);
    if (spans->parents[index] != NONE)
        fprintf(spans->out, ",\"parentSpanId\":\"%016" PRIx64 "\"",
                spans->ids[spans->parents[index]].span);
    fputs(",\"name\":", spans->out);
    json_write_string(spans->out, slice->kind == SLICE_DRAIN
                                      ? "draining"
                                      : model_text(model, model->sites[slice->site].call));
    write_times(spans->out, slice->start, slice->duration);
    write_attributes(spans, slice);
    write_links(spans, index);
    if (slice->flags & SLICE_NEVER_RETURNED)
        fprintf(spans->out, ",\"status\":{\"code\":%d,\"message\":\"never returned\"}",
                STATUS_ERROR);
    fputc('}', spans->out);
}

/* Deadlocks are told by each of their members: here once, by the process that was first. */
static void write_deadlock(const struct spans *spans, const struct deadlock *deadlock)
{
    const struct model *model = spans->model;
    const struct process *process = &model->processes[deadlock->process];
    uint64_t hash = mix_text(FNV_BASIS, model_text(model, process->host));
    hash = mix_text(hash, model_text(model, deadlock->words));
    hash = mix_number(mix_number(hash, process->pid), deadlock->time) | 1;
    struct span_ids ids = {.trace = {hash, ~hash}, .span = hash};
    FILE *out = spans->out;
    fputc('{', out);
    write_ids(out, &ids);
    fputs(",\"name\":", out);
    json_write_string(out, deadlock->kind ? model_text(model, deadlock->kind) : "deadlock");
    write_times(out, deadlock->time, 0);
    fprintf(out, ",\"attributes\":[{\"key\":\"pipeshim.kind\",\"value\":{\"stringValue\":\"%s\"}}",
            deadlock->kind ? "finding" : "deadlock");
    write_text(out, "pipeshim.advice", model_text(model, deadlock->advice));
    write_text(out, "pipeshim.rescue", model_text(model, deadlock->rescue));
    fprintf(out, "],\"status\":{\"code\":%d,\"message\":", STATUS_ERROR);
    json_write_string(out, model_text(model, deadlock->words));
    fputs("}}", out);
}

/* `first` and `next`: the process's slices, as an index by process. */
static void write_process_spans(const struct spans *spans, uint32_t process)
{
    const struct model *model = spans->model;
    const char *before = "";
    for (int32_t i = spans->first[process]; i != NONE; i = spans->next[i]) {
        fputs(before, spans->out);
        write_slice(spans, (uint32_t)i);
        before = ",\n";
    }
    for (uint32_t i = 0; i < model->deadlock_count; i++) {
        if (model->deadlocks[i].process != process)
            continue;
        fputs(before, spans->out);
        write_deadlock(spans, &model->deadlocks[i]);
        before = ",\n";
    }
}

static void write_process(const struct spans *spans, uint32_t index)
{
    const struct model *model = spans->model;
    const struct process *process = &model->processes[index];
    fputs("{\"resource\":{\"attributes\":[{\"key\":\"process.pid\",\"value\":{\"intValue\":",
          spans->out);
    fprintf(spans->out, "\"%d\"}}", process->pid);
    write_text(spans->out, "service.name", model_text(model, process->exe));
    write_text(spans->out, "process.executable.name", model_text(model, process->exe));
    write_text(spans->out, "host.name", model_text(model, process->host));
    fputs("]},\"scopeSpans\":[{\"scope\":{\"name\":\"pipeshim\",\"version\":\"" PIPESHIM_VERSION
          "\"},\"spans\":[\n",
          spans->out);
    write_process_spans(spans, index);
    fputs("]}]}", spans->out);
}

static bool has_spans(const struct spans *spans, uint32_t process)
{
    bool has = spans->first[process] != NONE;
    for (uint32_t i = 0; i < spans->model->deadlock_count; i++)
        has |= spans->model->deadlocks[i].process == process;
    return has;
}

static bool make_index(struct spans *spans)
{
    const struct model *model = spans->model;
    spans->first = calloc(model->process_count + 1, sizeof *spans->first);
    spans->next = calloc(model->slice_count + 1, sizeof *spans->next);
    if (!spans->first || !spans->next)
        return false;
    for (uint32_t i = 0; i < model->process_count; i++)
        spans->first[i] = NONE;
    for (uint32_t i = model->slice_count; i-- > 0;) {
        uint32_t process = model->threads[model->slices[i].thread].process;
        spans->next[i] = spans->first[process];
        spans->first[process] = (int32_t)i;
    }
    return true;
}

void format_otlp(const struct model *model, FILE *out)
{
    struct spans spans = {.model = model, .out = out};
    struct wait_edge *edges = wait_edges_find(model, &spans.edge_count);
    const char *before = "\n";
    spans.edge = edges;
    fputs("{\"resourceSpans\":[", out);
    if (make_index(&spans) && make_ids(&spans)) {
        for (uint32_t i = 0; i < model->process_count; i++) {
            if (!has_spans(&spans, i))
                continue;
            fputs(before, out);
            write_process(&spans, i);
            before = ",\n";
        }
    } else {
        fputs("pipeshim report: out of memory: no spans are written\n", stderr);
    }
    fputs("]}\n", out);
    free(spans.first);
    free(spans.next);
    free(spans.ids);
    free(spans.parents);
    free(edges);
}
