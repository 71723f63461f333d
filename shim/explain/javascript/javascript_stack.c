// SPDX-License-Identifier: MIT
#include "explain/javascript/javascript_stack.h"

#include <string.h>

#include "explain/javascript/frames.h"
#include "explain/javascript/reading.h"

size_t javascript_workspace_size(void)
{
    return sizeof(struct javascript_workspace);
}

static void begin_reading(struct reading *reading)
{
    reading->count = reading->omitted = 0;
    reading->last_script = 0;
    reading->work->function.shared = 0;
}

static void read_all(struct reading *reading, const struct stack_trace *trace)
{
    struct v8_frame_walk walk;
    struct v8_frame frame;
    begin_reading(reading);
    v8_frames_begin(&walk, reading->heap, trace, reading->snapshot);
    while (v8_frames_next(&walk, &frame)) {
        if (reading->count < reading->limit)
            reading_frame(reading, &frame);
        else
            reading->omitted++;
    }
}

/* All tables of a process are of one encoding; a table that only one makes sense of says which. */
static void find_encoding(struct reading *reading, const struct stack_trace *trace)
{
    struct javascript_runtime *runtime = reading->runtime;
    struct v8_frame_walk walk;
    struct v8_frame frame;
    unsigned votes[V8_ENCODING_NEW + 1] = {0};
    begin_reading(reading);
    v8_frames_begin(&walk, reading->heap, trace, reading->snapshot);
    while (v8_frames_next(&walk, &frame)) {
        const struct v8_function *function = &reading->work->function;
        if (reading_function(reading, &frame) && function->start >= 0 &&
            v8_function_has_bytecode(reading->heap, function, frame.bytecode))
            votes[v8_bytecode_encoding(reading->heap, &runtime->bytecodes, frame.bytecode,
                                       function->start, function->end)]++;
    }
    if (votes[V8_ENCODING_OLD] > 0 && votes[V8_ENCODING_NEW] == 0)
        runtime->encoding = V8_ENCODING_OLD;
    else if (votes[V8_ENCODING_NEW] > 0 && votes[V8_ENCODING_OLD] == 0)
        runtime->encoding = V8_ENCODING_NEW;
}

/* Adds a position to those of its script, which stay sorted. */
static unsigned add_position(struct javascript_workspace *work, unsigned count, int32_t position,
                             unsigned owner)
{
    if (position < 0)
        return count;
    unsigned i = count;
    for (; i > 0 && work->lines[i - 1].position > position; i--) {
        work->lines[i] = work->lines[i - 1];
        work->line_of[i] = work->line_of[i - 1];
    }
    work->lines[i].position = position;
    work->line_of[i] = (uint16_t)owner;
    return count + 1;
}

/* The lines of all frames of one script, in one pass through its text. */
static void find_lines(struct reading *reading, unsigned first)
{
    struct javascript_workspace *work = reading->work;
    uint64_t script = work->pending[first].script;
    unsigned count = 0;
    for (unsigned i = first; i < reading->count; i++) {
        if (work->pending[i].script != script)
            continue;
        count = add_position(work, count, work->pending[i].position, 2 * i);
        count = add_position(work, count, work->pending[i].function_position, 2 * i + 1);
        work->pending[i].script = 0;
    }
    v8_script_lines(reading->heap, script, work->lines, count);
    for (unsigned i = 0; i < count; i++) {
        struct javascript_frame *frame = &reading->out[work->line_of[i] / 2];
        if (work->line_of[i] % 2) {
            frame->function_line = work->lines[i].line;
        } else {
            frame->line = work->lines[i].line;
            frame->column = work->lines[i].column;
        }
    }
}

static void find_all_lines(struct reading *reading)
{
    for (unsigned i = 0; i < reading->count; i++)
        if (reading->work->pending[i].script != 0)
            find_lines(reading, i);
}

unsigned javascript_read_stack(struct javascript_runtime *runtime,
                               const struct memory_reader *reader,
                               struct javascript_workspace *workspace,
                               const struct stack_trace *trace, struct stack_snapshot *snapshot,
                               struct javascript_frame *out, unsigned limit,
                               struct javascript_stack_facts *facts)
{
    *facts = (struct javascript_stack_facts){0};
    if (!javascript_runtime_prepare(reader, runtime))
        return 0;
    struct reading reading = {
        .runtime = runtime,
        .work = workspace,
        .heap = &workspace->heap,
        .snapshot = snapshot,
        .out = out,
        .limit = limit < JAVASCRIPT_FRAME_LIMIT ? limit : (unsigned)JAVASCRIPT_FRAME_LIMIT};
    v8_heap_begin(reading.heap, reader, &runtime->layout);
    if (runtime->encoding == V8_ENCODING_UNKNOWN)
        find_encoding(&reading, trace);
    read_all(&reading, trace);
    unsigned count = reading.count;
    v8_heap_forget(reading.heap);
    reading.second = true;
    read_all(&reading, trace);
    for (unsigned i = reading.count; i < count; i++)
        reading_make_unreadable(&out[i]);
    reading.count = count < reading.count ? count : reading.count;
    find_all_lines(&reading);
    facts->omitted = reading.omitted;
    for (unsigned i = 0; i < count; i++)
        facts->unreadable += !out[i].readable;
    facts->lost = count > 0 && trace->end == STACK_END_LOST;
    return count;
}
