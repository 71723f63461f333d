// SPDX-License-Identifier: MIT
#include "explain/python/python_walk.h"

#include "explain/python/line_table.h"
#include "explain/python/python_text.h"

enum { FIRST_TRACEABLE_LIMIT = 1 << 16 };

/* The bytes from the start to the end of the last pointer-sized field of `fields`. */
static size_t size_with(const uint16_t *fields, unsigned count)
{
    size_t size = 0;
    for (unsigned i = 0; i < count; i++)
        if (fields[i] != PYTHON_NO_FIELD && fields[i] + sizeof(uintptr_t) > size)
            size = fields[i] + sizeof(uintptr_t);
    return size;
}

struct walker python_walker_start(const struct python_runtime *runtime,
                                  const struct memory_reader *reader)
{
    const struct python_offsets *o = &runtime->offsets;
    const uint16_t thread[] = {o->thread_next, o->thread_id, o->thread_native_id, o->thread_frame};
    const uint16_t frame[] = {o->frame_code, o->frame_previous, o->frame_instruction,
                              o->frame_owner};
    const uint16_t code[] = {o->object_type,         o->code_filename,   o->code_name,
                             o->code_qualified_name, o->code_first_line, o->code_line_table,
                             o->code_first_traceable};
    return (struct walker){
        .runtime = runtime,
        .offsets = o,
        .reader = reader,
        .thread_size = size_with(thread, sizeof thread / sizeof *thread),
        .frame_size = size_with(frame, sizeof frame / sizeof *frame),
        .code_size = size_with(code, sizeof code / sizeof *code),
    };
}

/* Frames which tracebacks do not show: the interpreter's own, and those that have not got as far
 * as their first traceable instruction (a generator being made, the helper frame of a class
 * call). */
static bool is_hidden(const struct walker *walker, const struct frame_cursor *cursor)
{
    enum { OWNED_BY_GENERATOR = 1 };
    const struct python_offsets *offsets = walker->offsets;
    if (offsets->code_first_traceable == PYTHON_NO_FIELD || cursor->owner == OWNED_BY_GENERATOR)
        return false;
    int first = int_at(&cursor->code_object, offsets->code_first_traceable);
    return first > 0 && first < FIRST_TRACEABLE_LIMIT && cursor->offset < (int64_t)first * 2;
}

static int64_t instruction_offset(const struct python_offsets *offsets, uintptr_t instruction,
                                  uintptr_t code)
{
    switch (offsets->instruction_format) {
    case PYTHON_INSTRUCTION_BYTES:
        return (int)instruction;
    case PYTHON_INSTRUCTION_UNITS:
        return (int64_t)(int)instruction * 2;
    default:
        return (int64_t)(instruction - (code + offsets->code_bytes));
    }
}

/* Reads the code object of the frame unless it is the one that was read last. It is one only if
 * its type says so. */
static bool read_code(const struct walker *walker, struct frame_cursor *cursor)
{
    if (cursor->code == cursor->code_address)
        return true;
    cursor->code_address = 0;
    if (!read_object(walker->reader, cursor->code, walker->code_size, &cursor->code_object) ||
        pointer_at(&cursor->code_object, walker->offsets->object_type) !=
            walker->runtime->code_type)
        return false;
    cursor->code_address = cursor->code;
    return true;
}

/* Goes to the next frame that a traceback would show. */
enum step python_next_frame(const struct walker *walker, struct frame_cursor *cursor)
{
    const struct python_offsets *offsets = walker->offsets;
    while (cursor->next != 0) {
        struct object_bytes frame;
        if (cursor->steps++ == PYTHON_FRAME_WALK_LIMIT ||
            !read_object(walker->reader, cursor->next, walker->frame_size, &frame))
            return STEP_BROKEN;
        cursor->frame = cursor->next;
        cursor->next = cursor->previous = pointer_at(&frame, offsets->frame_previous);
        cursor->owner =
            offsets->frame_owner == PYTHON_NO_FIELD ? 0 : frame.bytes[offsets->frame_owner];
        if (cursor->owner >= offsets->interpreter_owner)
            continue;
        cursor->code = pointer_at(&frame, offsets->frame_code) & ~(uintptr_t)PYTHON_CODE_TAG_BITS;
        cursor->instruction = pointer_at(&frame, offsets->frame_instruction);
        if (!read_code(walker, cursor))
            return STEP_BROKEN;
        cursor->offset = instruction_offset(offsets, cursor->instruction, cursor->code);
        cursor->hidden = is_hidden(walker, cursor);
        if (!cursor->hidden || cursor->with_hidden)
            return STEP_FRAME;
    }
    return STEP_END;
}

void python_read_function_name(const struct walker *walker, const struct object_bytes *code,
                               char *to)
{
    const struct python_offsets *offsets = walker->offsets;
    uint16_t field = offsets->code_qualified_name != PYTHON_NO_FIELD ? offsets->code_qualified_name
                                                                     : offsets->code_name;
    python_text_read(offsets, walker->reader, pointer_at(code, field), PYTHON_TEXT_KEEP_START, to,
                     PYTHON_FUNCTION_LIMIT);
}

void python_remember_frame(const struct frame_cursor *cursor, struct python_frame *frame)
{
    frame->frame = cursor->frame;
    frame->code = cursor->code;
    frame->previous = cursor->previous;
    frame->instruction = cursor->instruction;
    frame->owner = cursor->owner;
}

/* Writes the cursor's frame to out[index]; what it shares with the frame before is copied. */
void python_name_frame(const struct walker *walker, const struct frame_cursor *cursor,
                       struct python_frame *out, unsigned index, uintptr_t *last_file)
{
    struct python_frame *frame = &out[index];
    const struct python_frame *last = index > 0 ? &out[index - 1] : NULL;
    const struct object_bytes *code = &cursor->code_object;
    python_remember_frame(cursor, frame);
    frame->awaits = false;

    uintptr_t file = pointer_at(code, walker->offsets->code_filename);
    if (last && file == *last_file)
        memcpy(frame->file, last->file, sizeof frame->file);
    else
        python_text_read(walker->offsets, walker->reader, file, PYTHON_TEXT_KEEP_END, frame->file,
                         sizeof frame->file);
    *last_file = file;
    if (last && last->code == cursor->code)
        memcpy(frame->function, last->function, sizeof frame->function);
    else
        python_read_function_name(walker, code, frame->function);
    if (last && last->code == cursor->code && last->instruction == cursor->instruction)
        frame->line = last->line;
    else
        frame->line = python_line_find(
            walker->offsets, walker->reader, pointer_at(code, walker->offsets->code_line_table),
            int_at(code, walker->offsets->code_first_line), cursor->offset);
}

void python_cursor_start(struct frame_cursor *cursor, uintptr_t frame, bool with_hidden)
{
    cursor->next = frame;
    cursor->with_hidden = with_hidden;
    cursor->hidden = false;
    cursor->owner = 0;
    cursor->steps = 0;
    cursor->frame = cursor->code = cursor->previous = cursor->instruction = 0;
    cursor->code_address = 0;
    cursor->offset = 0;
}

void python_set_completeness(enum step step, const struct frame_cursor *cursor, bool limit_reached,
                             struct python_stack_facts *facts)
{
    if (step == STEP_END)
        facts->completeness = PYTHON_STACK_COMPLETE;
    else if (cursor->steps > PYTHON_FRAME_WALK_LIMIT && limit_reached)
        facts->omitted_more = true; /* the frames that were asked for are there */
    else
        facts->completeness = PYTHON_STACK_LOST;
}

bool python_cursor_restore(const struct walker *walker, struct frame_cursor *cursor,
                           const struct python_frame *frame)
{
    cursor->frame = frame->frame;
    cursor->code = frame->code;
    cursor->previous = frame->previous;
    cursor->instruction = frame->instruction;
    cursor->owner = frame->owner;
    if (!read_code(walker, cursor))
        return false;
    cursor->offset = instruction_offset(walker->offsets, cursor->instruction, cursor->code);
    cursor->hidden = is_hidden(walker, cursor);
    return true;
}
