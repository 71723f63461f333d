// SPDX-License-Identifier: MIT
#include "cli/report/event_read_stack.h"

#include <stdio.h>

#include "cli/report/event_fields.h"

static void take(const json_t *object, const char *key, char *to, size_t capacity)
{
    snprintf(to, capacity, "%s", field_string(object, key));
}

static int positive(const json_t *object, const char *key)
{
    int64_t value = field_integer(object, key, 0);
    return value > 0 && value <= INT32_MAX ? (int)value : 0;
}

/* How many of `frames` are taken. */
static unsigned shown(const json_t *frames)
{
    size_t size = json_array_size(frames);
    return size < READ_FRAMES_LIMIT ? (unsigned)size : (unsigned)READ_FRAMES_LIMIT;
}

/* Those that are not taken, and those that the log has left out. */
static unsigned omitted(const json_t *json, const json_t *frames, const char *key)
{
    return (unsigned)(json_array_size(frames) - shown(frames)) + (unsigned)positive(json, key);
}

static void read_python(const json_t *json, struct read_stack *to, struct incident *incident)
{
    const json_t *frames = json_object_get(json, "python");
    for (unsigned i = 0; i < shown(frames); i++) {
        const json_t *from = json_array_get(frames, i);
        struct python_frame *frame = &to->python[i];
        take(from, "file", frame->file, sizeof frame->file);
        take(from, "function", frame->function, sizeof frame->function);
        frame->line = positive(from, "line");
    }
    incident->python = to->python;
    incident->python_count = shown(frames);
    incident->python_omitted = omitted(json, frames, "python_omitted");
}

static void read_javascript(const json_t *json, struct read_stack *to, struct incident *incident)
{
    const json_t *frames = json_object_get(json, "javascript");
    for (unsigned i = 0; i < shown(frames); i++) {
        const json_t *from = json_array_get(frames, i);
        struct javascript_frame *frame = &to->javascript[i];
        take(from, "file", frame->file, sizeof frame->file);
        take(from, "function", frame->function, sizeof frame->function);
        frame->line = positive(from, "line");
        frame->column = positive(from, "column");
        frame->function_line = positive(from, "function_line");
        frame->readable = !field_true(from, "unreadable");
        frame->near = field_true(from, "near");
        frame->generated = field_true(from, "generated");
        if (frame->file[0] == '\0' && frame->line == 0)
            frame->tier = JAVASCRIPT_BUILTIN;
    }
    incident->javascript = to->javascript;
    incident->javascript_count = shown(frames);
    incident->javascript_omitted = omitted(json, frames, "javascript_omitted");
}

static void read_natives(const json_t *json, struct read_stack *to, struct incident *incident)
{
    const json_t *stack = json_object_get(json, "stack");
    size_t size = json_array_size(stack), first = 0;
    while (first < size && field_is_own_frame(json_array_get(stack, first)))
        first++;
    for (size_t i = first; i < size && i - first < READ_FRAMES_LIMIT; i++) {
        const json_t *from = json_array_get(stack, i);
        struct stack_frame_name *frame = &to->frames[i - first];
        take(from, "module", frame->module, sizeof frame->module);
        take(from, "symbol", frame->symbol, sizeof frame->symbol);
        frame->pc = field_address(from, "pc");
        frame->offset = field_address(from, "offset");
        frame->symbol_offset = (uint64_t)positive(from, "symbol_offset");
        incident->frame_count++;
    }
    incident->stack_complete =
        first + incident->frame_count == size && !field_true(json, "stack_truncated");
}

bool event_read_stack(const json_t *json, struct read_stack *to, struct incident *incident)
{
    read_python(json, to, incident);
    read_javascript(json, to, incident);
    incident->frames = to->frames;
    incident->stack_hash = field_address(json, "stack_id");
    if (incident->python_count == 0 && incident->javascript_count == 0)
        read_natives(json, to, incident);
    if (incident->frame_count + incident->python_count + incident->javascript_count > 0)
        return true;
    if (*field_string(json, "stack_id"))
        incident->frame_count = 1; /* it was shown before */
    return false;
}
