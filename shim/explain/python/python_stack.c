// SPDX-License-Identifier: MIT
#include "explain/python/python_stack.h"

#include <string.h>

#include "explain/python/line_table.h"
#include "explain/python/python_text.h"

enum {
    /* What is damaged or changes under the reader can be circular: every list ends somewhere. */
    INTERPRETER_LIMIT = 64,
    THREAD_LIMIT = 8192,
    FRAME_WALK_LIMIT = 4096,
    FIND_ATTEMPTS = 3, /* the list of threads may change while it is walked */
    RUNNING_ATTEMPTS = 12,
    CODE_TAG_BITS = 3, /* _PyStackRef of 3.14: the low bits of a reference are flags */
    FIRST_TRACEABLE_LIMIT = 1 << 16,
};

const char *python_completeness_reason(enum python_completeness completeness)
{
    switch (completeness) {
    case PYTHON_STACK_LOST:
        return "python: outer frames could not be read";
    case PYTHON_STACK_MOVING:
        return "python: the thread is running, C stack only";
    case PYTHON_STACK_SUBINTERPRETER:
        return "python: subinterpreter, C stack only";
    case PYTHON_STACK_UNREADABLE:
        return "python: threads could not be read, C stack only";
    default:
        return NULL;
    }
}

/* The start of one of CPython's structures, as much as its known fields need. */
struct object_bytes {
    size_t size;
    unsigned char bytes[PYTHON_OBJECT_LIMIT];
};

static uintptr_t pointer_at(const struct object_bytes *object, size_t offset)
{
    uintptr_t value = 0;
    if (offset + sizeof value <= object->size)
        memcpy(&value, object->bytes + offset, sizeof value);
    return value;
}

static int int_at(const struct object_bytes *object, size_t offset)
{
    int value = 0;
    if (offset + sizeof value <= object->size)
        memcpy(&value, object->bytes + offset, sizeof value);
    return value;
}

/* The bytes from the start to the end of the last pointer-sized field of `fields`. */
static size_t size_with(const uint16_t *fields, unsigned count)
{
    size_t size = 0;
    for (unsigned i = 0; i < count; i++)
        if (fields[i] != PYTHON_NO_FIELD && fields[i] + sizeof(uintptr_t) > size)
            size = fields[i] + sizeof(uintptr_t);
    return size;
}

static bool read_object(const struct memory_reader *reader, uintptr_t address, size_t size,
                        struct object_bytes *object)
{
    object->size = size;
    return address != 0 && size <= sizeof object->bytes &&
           memory_read(reader, address, object->bytes, size);
}

static bool read_pointer(const struct memory_reader *reader, uintptr_t address, uintptr_t *value)
{
    return memory_read(reader, address, value, sizeof *value);
}

/* --- the thread ------------------------------------------------------------------------------ */

/* What a walk reads with; one for a whole walk. */
struct walker {
    const struct python_runtime *runtime;
    const struct python_offsets *offsets;
    const struct memory_reader *reader;
    size_t thread_size, frame_size, code_size;
};

static struct walker walker_start(const struct python_runtime *runtime,
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

/* Whether a PyThreadState belongs to the kernel thread. Before 3.11 it has only the pthread_t,
 * which in glibc is the address of a structure that holds the kernel's id; the same is true after
 * fork(2), where early 3.11 releases keep the parent's native id. */
static bool is_thread(const struct walker *walker, const struct object_bytes *thread, int tid)
{
    const struct python_offsets *offsets = walker->offsets;
    if (offsets->thread_native_id != PYTHON_NO_FIELD &&
        pointer_at(thread, offsets->thread_native_id) == (uintptr_t)tid)
        return true;
    uintptr_t pthread = pointer_at(thread, offsets->thread_id);
    int found;
    return pthread != 0 &&
           memory_read(walker->reader, pthread + walker->runtime->pthread_tid_offset, &found,
                       sizeof found) &&
           found == tid;
}

/* The innermost frame of a thread state, 0: none. */
static uintptr_t innermost_frame(const struct walker *walker, const struct object_bytes *thread)
{
    uintptr_t frame = pointer_at(thread, walker->offsets->thread_frame);
    if (frame == 0 || walker->offsets->cframe_frame == PYTHON_NO_FIELD)
        return frame;
    uintptr_t current;
    return read_pointer(walker->reader, frame + walker->offsets->cframe_frame, &current) ? current
                                                                                         : 0;
}

/* Looks for the thread in one interpreter's list. Up to 3.11 the state of a thread that is about
 * to start carries the ids of the thread that started it: states without frames do not count.
 * False: the list could not be read to its end. */
static bool search_threads(const struct walker *walker, uintptr_t thread_address, int tid,
                           uintptr_t *frame)
{
    *frame = 0;
    for (unsigned i = 0; thread_address != 0; i++) {
        struct object_bytes thread;
        if (i == THREAD_LIMIT ||
            !read_object(walker->reader, thread_address, walker->thread_size, &thread))
            return false;
        /* The cheap test first: a thread without frames is not looked at further. */
        if (pointer_at(&thread, walker->offsets->thread_frame) != 0 &&
            is_thread(walker, &thread, tid)) {
            *frame = innermost_frame(walker, &thread);
            if (*frame != 0)
                return true;
        }
        thread_address = pointer_at(&thread, walker->offsets->thread_next);
    }
    return true;
}

static enum python_completeness search_interpreters(const struct walker *walker, int tid,
                                                    uintptr_t *frame)
{
    const struct python_offsets *offsets = walker->offsets;
    uintptr_t interpreter, main_frame = 0;
    if (!read_pointer(walker->reader, walker->runtime->runtime + offsets->runtime_interpreters,
                      &interpreter))
        return PYTHON_STACK_UNREADABLE;
    for (unsigned i = 0; interpreter != 0; i++) {
        uintptr_t id, next, threads, found;
        if (i == INTERPRETER_LIMIT ||
            !read_pointer(walker->reader, interpreter + offsets->interpreter_id, &id) ||
            !read_pointer(walker->reader, interpreter + offsets->interpreter_next, &next) ||
            !read_pointer(walker->reader, interpreter + offsets->interpreter_threads, &threads) ||
            !search_threads(walker, threads, tid, &found))
            return PYTHON_STACK_UNREADABLE;
        /* A thread that entered a subinterpreter has frames in both: the inner are running. */
        if (found != 0 && id != 0)
            return PYTHON_STACK_SUBINTERPRETER;
        if (found != 0)
            main_frame = found;
        interpreter = next;
    }
    *frame = main_frame;
    return main_frame == 0 ? PYTHON_STACK_NONE : PYTHON_STACK_COMPLETE;
}

/* PYTHON_STACK_COMPLETE and the innermost frame, or why there is none. */
static enum python_completeness find_thread(const struct walker *walker, int tid, uintptr_t *frame)
{
    enum python_completeness result = PYTHON_STACK_UNREADABLE;
    for (unsigned i = 0; i < FIND_ATTEMPTS && result == PYTHON_STACK_UNREADABLE; i++)
        result = search_interpreters(walker, tid, frame);
    return result;
}

/* --- the frames ------------------------------------------------------------------------------ */

/* A position in the chain of frames. */
struct frame_cursor {
    uintptr_t next; /* the frame to be read next; 0: the end of the chain */
    unsigned steps;
    uintptr_t frame, code, instruction; /* the current frame */
    int64_t offset;                     /* of its instruction in the code's bytes; -1: not begun */
    uintptr_t code_address;             /* what code_object holds: recursion reads it once */
    struct object_bytes code_object;
};

enum step { STEP_FRAME, STEP_END, STEP_BROKEN };

/* Frames which tracebacks do not show: the interpreter's own, and those that have not got as far
 * as their first traceable instruction (a generator being made, the helper frame of a class
 * call). */
static bool is_hidden(const struct walker *walker, const struct frame_cursor *cursor, int owner)
{
    enum { OWNED_BY_GENERATOR = 1 };
    const struct python_offsets *offsets = walker->offsets;
    if (offsets->code_first_traceable == PYTHON_NO_FIELD || owner == OWNED_BY_GENERATOR)
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
static enum step next_frame(const struct walker *walker, struct frame_cursor *cursor)
{
    const struct python_offsets *offsets = walker->offsets;
    while (cursor->next != 0) {
        struct object_bytes frame;
        if (cursor->steps++ == FRAME_WALK_LIMIT ||
            !read_object(walker->reader, cursor->next, walker->frame_size, &frame))
            return STEP_BROKEN;
        cursor->frame = cursor->next;
        cursor->next = pointer_at(&frame, offsets->frame_previous);
        int owner = offsets->frame_owner == PYTHON_NO_FIELD ? 0 : frame.bytes[offsets->frame_owner];
        if (owner >= offsets->interpreter_owner)
            continue;
        cursor->code = pointer_at(&frame, offsets->frame_code) & ~(uintptr_t)CODE_TAG_BITS;
        cursor->instruction = pointer_at(&frame, offsets->frame_instruction);
        if (!read_code(walker, cursor))
            return STEP_BROKEN;
        cursor->offset = instruction_offset(offsets, cursor->instruction, cursor->code);
        if (!is_hidden(walker, cursor, owner))
            return STEP_FRAME;
    }
    return STEP_END;
}

static bool read_function_name(const struct walker *walker, const struct object_bytes *code,
                               char *to)
{
    const struct python_offsets *offsets = walker->offsets;
    uint16_t field = offsets->code_qualified_name != PYTHON_NO_FIELD ? offsets->code_qualified_name
                                                                     : offsets->code_name;
    return python_text_read(offsets, walker->reader, pointer_at(code, field),
                            PYTHON_TEXT_KEEP_START, to, PYTHON_FUNCTION_LIMIT);
}

/* Writes the cursor's frame to out[index]; what it shares with the frame before is copied. */
static void name_frame(const struct walker *walker, const struct frame_cursor *cursor,
                       struct python_frame *out, unsigned index, uintptr_t *last_file)
{
    struct python_frame *frame = &out[index];
    const struct python_frame *last = index > 0 ? &out[index - 1] : NULL;
    const struct object_bytes *code = &cursor->code_object;
    frame->frame = cursor->frame;
    frame->code = cursor->code;
    frame->instruction = cursor->instruction;

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
        read_function_name(walker, code, frame->function);
    if (last && last->code == cursor->code && last->instruction == cursor->instruction)
        frame->line = last->line;
    else
        frame->line = python_line_find(
            walker->offsets, walker->reader, pointer_at(code, walker->offsets->code_line_table),
            int_at(code, walker->offsets->code_first_line), cursor->offset);
}

static void cursor_start(struct frame_cursor *cursor, uintptr_t frame)
{
    cursor->next = frame;
    cursor->steps = 0;
    cursor->frame = cursor->code = cursor->instruction = 0;
    cursor->code_address = 0;
    cursor->offset = 0;
}

/* Reads the whole chain. `outermost` gets the function name of its last frame. */
static unsigned read_chain(const struct walker *walker, uintptr_t innermost,
                           struct python_frame *out, unsigned limit,
                           struct python_stack_facts *facts, char *outermost)
{
    struct frame_cursor cursor;
    unsigned count = 0;
    uintptr_t last_file = 0;
    enum step step;
    cursor_start(&cursor, innermost);
    while ((step = next_frame(walker, &cursor)) == STEP_FRAME) {
        if (count < limit)
            name_frame(walker, &cursor, out, count++, &last_file);
        else
            facts->omitted++;
    }
    if (step == STEP_END)
        facts->completeness = PYTHON_STACK_COMPLETE;
    else if (cursor.steps > FRAME_WALK_LIMIT && count == limit)
        facts->omitted_more = true; /* the frames that were asked for are there */
    else
        facts->completeness = PYTHON_STACK_LOST;
    if (outermost) {
        outermost[0] = '\0';
        if (step == STEP_END && cursor.code_address != 0)
            read_function_name(walker, &cursor.code_object, outermost);
    }
    return count;
}

unsigned python_read_stack(const struct python_runtime *runtime, const struct memory_reader *reader,
                           int tid, struct python_frame *out, unsigned limit,
                           struct python_stack_facts *facts)
{
    *facts = (struct python_stack_facts){.completeness = PYTHON_STACK_NONE};
    if (runtime->support != PYTHON_SUPPORTED)
        return 0;
    struct walker walker = walker_start(runtime, reader);
    uintptr_t innermost;
    facts->completeness = find_thread(&walker, tid, &innermost);
    if (facts->completeness != PYTHON_STACK_COMPLETE)
        return 0;
    return read_chain(&walker, innermost, out, limit, facts, NULL);
}

/* --- a thread that runs ---------------------------------------------------------------------- */

/* The outermost functions of the main thread and of threading.Thread. A chain that ends elsewhere
 * may have been cut by a generator that was just suspended, which clears its link. */
static bool is_outermost_function(const char *name)
{
    static const char *const known[] = {"<module>", "_run_module_as_main", "_bootstrap",
                                        "Thread._bootstrap"};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

/* Whether the thread still has exactly these frames, at the same instructions. */
static bool chain_is_unchanged(const struct walker *walker, uintptr_t innermost,
                               const struct python_frame *frames, unsigned count, unsigned omitted)
{
    struct frame_cursor cursor;
    unsigned index = 0;
    enum step step;
    cursor_start(&cursor, innermost);
    while ((step = next_frame(walker, &cursor)) == STEP_FRAME) {
        if (index < count &&
            (frames[index].frame != cursor.frame || frames[index].code != cursor.code ||
             frames[index].instruction != cursor.instruction))
            return false;
        index++;
    }
    return step == STEP_END && index == count + omitted;
}

unsigned python_read_stack_running(const struct python_runtime *runtime,
                                   const struct memory_reader *reader, int tid,
                                   struct python_frame *out, unsigned limit,
                                   struct python_stack_facts *facts)
{
    *facts = (struct python_stack_facts){.completeness = PYTHON_STACK_NONE};
    if (runtime->support != PYTHON_SUPPORTED)
        return 0;
    struct walker walker = walker_start(runtime, reader);
    for (unsigned i = 0; i < RUNNING_ATTEMPTS; i++) {
        char outermost[PYTHON_FUNCTION_LIMIT];
        uintptr_t innermost;
        *facts = (struct python_stack_facts){0};
        facts->completeness = find_thread(&walker, tid, &innermost);
        if (facts->completeness != PYTHON_STACK_COMPLETE)
            return 0;
        unsigned count = read_chain(&walker, innermost, out, limit, facts, outermost);
        uintptr_t again;
        if (facts->completeness == PYTHON_STACK_COMPLETE && count > 0 &&
            is_outermost_function(outermost) &&
            find_thread(&walker, tid, &again) == PYTHON_STACK_COMPLETE && again == innermost &&
            chain_is_unchanged(&walker, innermost, out, count, facts->omitted))
            return count;
    }
    *facts = (struct python_stack_facts){.completeness = PYTHON_STACK_MOVING};
    return 0;
}
