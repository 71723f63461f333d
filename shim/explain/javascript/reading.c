// SPDX-License-Identifier: MIT
#include "explain/javascript/reading.h"

#include <string.h>

enum { CODE_READ_LIMIT = 8 };

void reading_make_unreadable(struct javascript_frame *frame)
{
    memset(frame, 0, sizeof *frame);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 1099511628211ULL; /* FNV-1a */
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = mix(hash, (unsigned char)*text);
    return hash;
}

static uint64_t fingerprint(const struct javascript_frame *frame, const struct pending *pending)
{
    uint64_t hash = mix_text(14695981039346656037ULL, frame->function);
    hash = mix_text(mix(hash, 0), frame->file);
    hash = mix(mix(hash, (uint32_t)pending->position), (uint32_t)pending->function_position);
    return mix(mix(hash, frame->tier), (uint64_t)frame->readable << 1 | frame->inlined);
}

/* Takes one finished frame: keeps it, or compares it with what the first reading kept. */
static void emit(struct reading *reading, struct javascript_frame *frame,
                 const struct pending *pending)
{
    struct pending *kept = &reading->work->pending[reading->count];
    uint64_t found = fingerprint(frame, pending);
    if (reading->second) {
        if (kept->fingerprint != found) {
            reading_make_unreadable(&reading->out[reading->count]);
            kept->script = 0;
        }
    } else {
        *kept = *pending;
        kept->fingerprint = found;
    }
    reading->count++;
}

/* Where the next frame is to be put. */
static struct javascript_frame *next_frame(struct reading *reading)
{
    struct javascript_frame *frame =
        reading->second ? &reading->work->frame : &reading->out[reading->count];
    memset(frame, 0, sizeof *frame);
    return frame;
}

static void emit_unreadable(struct reading *reading)
{
    struct pending pending = {.position = -1, .function_position = -1};
    if (reading->count == reading->limit) {
        reading->omitted++;
        return;
    }
    emit(reading, next_frame(reading), &pending);
    reading->last_script = 0;
}

struct shown {
    enum javascript_tier tier;
    bool inlined, near;
};

static void emit_function(struct reading *reading, const struct v8_function *function,
                          int32_t position, struct shown shown)
{
    if (reading->count == reading->limit) {
        reading->omitted++;
        return;
    }
    struct javascript_frame *frame = next_frame(reading);
    struct pending pending = {function->script, position, function->start, 0};
    memcpy(frame->function, function->name, sizeof frame->function);
    frame->tier = (uint8_t)shown.tier;
    frame->inlined = shown.inlined;
    frame->near = shown.near && position >= 0;
    frame->readable = true;
    if (function->script != 0 && !reading->second && function->script == reading->last_script) {
        memcpy(frame->file, frame[-1].file, sizeof frame->file);
        frame->generated = frame[-1].generated;
    } else if (function->script != 0) {
        v8_script_name(reading->heap, function->script, frame->file, sizeof frame->file);
        frame->generated = v8_script_is_generated(reading->heap, function->script);
    }
    reading->last_script = function->script;
    /* Beyond the function's text, or without any: that is no position of it. */
    if (function->start >= 0 && (position < function->start || position > function->end))
        pending.position = -1;
    emit(reading, frame, &pending);
}

static bool in_ranges(const struct javascript_runtime *runtime, uint64_t pc)
{
    for (unsigned i = 0; i < runtime->code_count; i++)
        if (pc >= runtime->code[i].start && pc < runtime->code[i].end)
            return true;
    return false;
}

/* V8 maps its builtins a second time when it starts: later than this library. */
static bool is_in_builtins(struct javascript_runtime *runtime, uint64_t pc)
{
    struct module_bases bases;
    if (in_ranges(runtime, pc))
        return true;
    if (runtime->code_reads >= CODE_READ_LIMIT || !module_bases_read(runtime->pid, &bases))
        return false;
    runtime->code_reads++;
    runtime->code_count = bases.code_count;
    memcpy(runtime->code, bases.code, sizeof runtime->code);
    return in_ranges(runtime, pc);
}

/* The slots of a frame that the interpreter runs. */
static bool is_interpreted(struct reading *reading, const struct v8_frame *frame,
                           const struct v8_function *function)
{
    uintptr_t bytes;
    uint32_t length;
    int32_t offset;
    return v8_smi(frame->offset, &offset) &&
           v8_bytecode_locate(reading->heap, frame->bytecode, &bytes, &length) &&
           v8_function_has_bytecode(reading->heap, function, frame->bytecode);
}

/* The slot counts from the object's start, whose pointer has the tag added. */
static int32_t interpreted_offset(const struct v8_heap *heap, uint64_t slot)
{
    int32_t value;
    v8_smi(slot, &value);
    return value - (heap->layout->published.bytecode_data - 1);
}

static int32_t bytecode_position(struct reading *reading, const struct v8_frame *frame,
                                 const struct v8_function *function, int32_t offset)
{
    const struct javascript_runtime *runtime = reading->runtime;
    int32_t position;
    if (function->start < 0 ||
        !v8_bytecode_position(reading->heap, &runtime->bytecodes, frame->bytecode,
                              runtime->encoding, function->start, function->end, offset, &position))
        return -1;
    return position;
}

#if defined(__x86_64__)
/* Whether `pc` is in the interpreter's code for handler `number`: its address is the last one in
 * the table that is not above pc. */
static bool runs_handler(struct v8_heap *heap, uint64_t table, unsigned number, uint64_t pc)
{
    enum { HANDLERS = V8_SCALES * V8_BYTECODES_LIMIT, HANDLER_LIMIT = 16384 };
    uint64_t own, other;
    if (!v8_read(heap, table + number * sizeof own, &own, sizeof own) || own > pc ||
        pc - own > HANDLER_LIMIT)
        return false;
    for (unsigned i = 0; i < HANDLERS; i++)
        if (!v8_read(heap, table + i * sizeof other, &other, sizeof other) ||
            (other > own && other <= pc))
            return false;
    return true;
}
#endif

/* Of a function that is being interpreted the slot has the last call; where it is now is in the
 * registers of the interpreter, but only within the code of the bytecode that they name. */
static int32_t running_offset(struct reading *reading, const struct v8_frame *frame)
{
#if defined(__x86_64__)
    struct v8_heap *heap = reading->heap;
    const struct stack_snapshot *snapshot = reading->snapshot;
    const struct v8_constants *k = &heap->layout->published;
    unsigned handler;
    if (!frame->innermost || !snapshot->has_r9 || k->register_bytecode_offset != 9 ||
        k->register_bytecode_array != 12 || snapshot->registers.r12 != frame->bytecode)
        return -1;
    int64_t offset = (int64_t)snapshot->r9 - (k->bytecode_data - 1);
    if (offset < 0 || offset > V8_TABLE_LIMIT ||
        !v8_bytecode_handler(heap, &reading->runtime->bytecodes, frame->bytecode, (int32_t)offset,
                             &handler) ||
        !runs_handler(heap, snapshot->registers.r15, handler, frame->pc))
        return -1;
    return (int32_t)offset;
#else
    (void)reading, (void)frame;
    return -1;
#endif
}

static void read_interpreted(struct reading *reading, const struct v8_frame *frame,
                             const struct v8_function *function)
{
    int32_t offset = frame->exact ? running_offset(reading, frame)
                                  : interpreted_offset(reading->heap, frame->offset);
    int32_t position = offset < 0 ? -1 : bytecode_position(reading, frame, function, offset);
    emit_function(reading, function, position, (struct shown){.tier = JAVASCRIPT_INTERPRETED});
}

static void read_baseline(struct reading *reading, const struct v8_frame *frame,
                          const struct v8_code *code, const struct v8_function *function)
{
    struct v8_heap *heap = reading->heap;
    uint64_t table;
    int32_t offset, position = -1;
    if (v8_function_has_bytecode(heap, function, frame->bytecode) &&
        v8_code_is_of_bytecode(heap, code, frame->bytecode) && v8_code_table(heap, code, &table) &&
        v8_baseline_offset(heap, &reading->runtime->bytecodes, frame->bytecode, table,
                           (uint32_t)(frame->pc - code->start), &offset))
        position = bytecode_position(reading, frame, function, offset);
    emit_function(reading, function, position,
                  (struct shown){.tier = JAVASCRIPT_BASELINE, .near = frame->exact});
}

static void read_optimized(struct reading *reading, const struct v8_frame *frame,
                           const struct v8_code *code, const struct v8_function *function,
                           enum javascript_tier tier)
{
    struct v8_inlined inlined[V8_INLINED_LIMIT];
    unsigned count = v8_code_inlined(reading->heap, code, frame->pc, frame->exact,
                                     reading->runtime->encoding, function->shared, inlined);
    if (count == 0) {
        emit_function(reading, function, -1, (struct shown){.tier = tier});
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        struct v8_function called;
        /* An instruction without an entry has that of one before it, with all that was inlined
         * there. */
        struct shown shown = {tier, i + 1 < count, frame->exact};
        if (inlined[i].shared == 0)
            emit_function(reading, function, inlined[i].position, shown);
        else if (v8_function_read(reading->heap, inlined[i].shared, &called))
            emit_function(reading, &called, inlined[i].position, shown);
        else
            emit_unreadable(reading);
    }
}

static void read_compiled(struct reading *reading, const struct v8_frame *frame,
                          const struct v8_function *function)
{
    struct v8_code code;
    if (!v8_code_find(reading->heap, frame->pc, &reading->runtime->stream_map, &code)) {
        emit_function(reading, function, -1, (struct shown){0});
        return;
    }
    int32_t above = code.kind - reading->heap->layout->published.code_kind_baseline;
    if (above == V8_KIND_ABOVE_BASELINE_MAGLEV)
        read_optimized(reading, frame, &code, function, JAVASCRIPT_MAGLEV);
    else if (above == V8_KIND_ABOVE_BASELINE_TURBOFAN)
        read_optimized(reading, frame, &code, function, JAVASCRIPT_TURBOFAN);
    else if (above == 0)
        read_baseline(reading, frame, &code, function);
    else if (above < 0 && is_interpreted(reading, frame, function))
        /* --interpreted-frames-native-stack: each function has a copy of the interpreter's entry */
        read_interpreted(reading, frame, function);
    else
        emit_function(reading, function, -1, (struct shown){0});
}

bool reading_function(struct reading *reading, const struct v8_frame *frame)
{
    struct v8_heap *heap = reading->heap;
    struct v8_function *function = &reading->work->function;
    uint64_t shared;
    if (frame->gone || !v8_is_function(heap, frame->function) ||
        !v8_field(heap, frame->function, heap->layout->published.function_shared, &shared))
        return false;
    if (function->shared == shared)
        return true;
    bool read = v8_function_read(heap, shared, function);
    if (!read)
        function->shared = 0;
    return read;
}

void reading_frame(struct reading *reading, const struct v8_frame *frame)
{
    struct v8_function *function = &reading->work->function;
    if (!reading_function(reading, frame)) {
        emit_unreadable(reading);
    } else if (v8_function_is_builtin(function)) {
        /* Without a name: what V8 resumes an async function with. */
        if (function->name[0] != '\0')
            emit_function(reading, function, -1, (struct shown){.tier = JAVASCRIPT_BUILTIN});
    } else if (!is_in_builtins(reading->runtime, frame->pc - !frame->exact)) {
        read_compiled(reading, frame, function);
    } else if (is_interpreted(reading, frame, function)) {
        read_interpreted(reading, frame, function);
    } else {
        emit_function(reading, function, -1, (struct shown){0});
    }
}
