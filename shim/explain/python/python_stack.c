// SPDX-License-Identifier: MIT
#include "explain/python/python_stack.h"

#include <string.h>
#include <time.h>

#include "base/raw_syscall.h"
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

/* What was found of a thread. */
struct thread_position {
    uintptr_t frame;         /* its innermost frame; 0: none */
    uintptr_t frame_pointer; /* the address where that is stored */
};

static struct thread_position thread_position(const struct walker *walker, uintptr_t address,
                                              const struct object_bytes *thread)
{
    const struct python_offsets *offsets = walker->offsets;
    struct thread_position position = {.frame = pointer_at(thread, offsets->thread_frame),
                                       .frame_pointer = address + offsets->thread_frame};
    if (position.frame == 0 || offsets->cframe_frame == PYTHON_NO_FIELD)
        return position;
    position.frame_pointer = position.frame + offsets->cframe_frame;
    if (!read_pointer(walker->reader, position.frame_pointer, &position.frame))
        position.frame = 0;
    return position;
}

/* Looks for the thread in one interpreter's list. Up to 3.11 the state of a thread that is about
 * to start carries the ids of the thread that started it: states without frames do not count.
 * False: the list could not be read to its end. */
static bool search_threads(const struct walker *walker, uintptr_t thread_address, int tid,
                           struct thread_position *position)
{
    position->frame = 0;
    for (unsigned i = 0; thread_address != 0; i++) {
        struct object_bytes thread;
        if (i == THREAD_LIMIT ||
            !read_object(walker->reader, thread_address, walker->thread_size, &thread))
            return false;
        /* The cheap test first: a thread without frames is not looked at further. */
        if (pointer_at(&thread, walker->offsets->thread_frame) != 0 &&
            is_thread(walker, &thread, tid)) {
            *position = thread_position(walker, thread_address, &thread);
            if (position->frame != 0)
                return true;
        }
        thread_address = pointer_at(&thread, walker->offsets->thread_next);
    }
    return true;
}

static enum python_completeness search_interpreters(const struct walker *walker, int tid,
                                                    struct thread_position *position)
{
    const struct python_offsets *offsets = walker->offsets;
    uintptr_t interpreter;
    position->frame = 0;
    if (!read_pointer(walker->reader, walker->runtime->runtime + offsets->runtime_interpreters,
                      &interpreter))
        return PYTHON_STACK_UNREADABLE;
    for (unsigned i = 0; interpreter != 0; i++) {
        uintptr_t id, next, threads;
        struct thread_position found;
        if (i == INTERPRETER_LIMIT ||
            !read_pointer(walker->reader, interpreter + offsets->interpreter_id, &id) ||
            !read_pointer(walker->reader, interpreter + offsets->interpreter_next, &next) ||
            !read_pointer(walker->reader, interpreter + offsets->interpreter_threads, &threads) ||
            !search_threads(walker, threads, tid, &found))
            return PYTHON_STACK_UNREADABLE;
        /* A thread that entered a subinterpreter has frames in both: the inner are running. */
        if (found.frame != 0 && id != 0)
            return PYTHON_STACK_SUBINTERPRETER;
        if (found.frame != 0)
            *position = found;
        interpreter = next;
    }
    return position->frame == 0 ? PYTHON_STACK_NONE : PYTHON_STACK_COMPLETE;
}

/* PYTHON_STACK_COMPLETE and the innermost frame, or why there is none. */
static enum python_completeness find_thread(const struct walker *walker, int tid,
                                            struct thread_position *position)
{
    enum python_completeness result = PYTHON_STACK_UNREADABLE;
    for (unsigned i = 0; i < FIND_ATTEMPTS && result == PYTHON_STACK_UNREADABLE; i++)
        result = search_interpreters(walker, tid, position);
    return result;
}

/* --- the frames ------------------------------------------------------------------------------ */

/* A position in the chain of frames. */
struct frame_cursor {
    uintptr_t next; /* the frame to be read next; 0: the end of the chain */
    unsigned steps;
    bool with_hidden; /* stop at hidden frames too */
    bool hidden;      /* tracebacks do not show the current frame */
    int owner;
    uintptr_t frame, code, previous, instruction; /* the current frame */
    int64_t offset;         /* of its instruction in the code's bytes; -1: not begun */
    uintptr_t code_address; /* what code_object holds: recursion reads it once */
    struct object_bytes code_object;
};

enum step { STEP_FRAME, STEP_END, STEP_BROKEN };

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
static enum step next_frame(const struct walker *walker, struct frame_cursor *cursor)
{
    const struct python_offsets *offsets = walker->offsets;
    while (cursor->next != 0) {
        struct object_bytes frame;
        if (cursor->steps++ == FRAME_WALK_LIMIT ||
            !read_object(walker->reader, cursor->next, walker->frame_size, &frame))
            return STEP_BROKEN;
        cursor->frame = cursor->next;
        cursor->next = cursor->previous = pointer_at(&frame, offsets->frame_previous);
        cursor->owner =
            offsets->frame_owner == PYTHON_NO_FIELD ? 0 : frame.bytes[offsets->frame_owner];
        if (cursor->owner >= offsets->interpreter_owner)
            continue;
        cursor->code = pointer_at(&frame, offsets->frame_code) & ~(uintptr_t)CODE_TAG_BITS;
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

static bool read_function_name(const struct walker *walker, const struct object_bytes *code,
                               char *to)
{
    const struct python_offsets *offsets = walker->offsets;
    uint16_t field = offsets->code_qualified_name != PYTHON_NO_FIELD ? offsets->code_qualified_name
                                                                     : offsets->code_name;
    return python_text_read(offsets, walker->reader, pointer_at(code, field),
                            PYTHON_TEXT_KEEP_START, to, PYTHON_FUNCTION_LIMIT);
}

static void remember_frame(const struct frame_cursor *cursor, struct python_frame *frame)
{
    frame->frame = cursor->frame;
    frame->code = cursor->code;
    frame->previous = cursor->previous;
    frame->instruction = cursor->instruction;
    frame->owner = cursor->owner;
}

/* Writes the cursor's frame to out[index]; what it shares with the frame before is copied. */
static void name_frame(const struct walker *walker, const struct frame_cursor *cursor,
                       struct python_frame *out, unsigned index, uintptr_t *last_file)
{
    struct python_frame *frame = &out[index];
    const struct python_frame *last = index > 0 ? &out[index - 1] : NULL;
    const struct object_bytes *code = &cursor->code_object;
    remember_frame(cursor, frame);

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

static void cursor_start(struct frame_cursor *cursor, uintptr_t frame, bool with_hidden)
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

/* What the end of a walk says of the stack. */
static void set_completeness(enum step step, const struct frame_cursor *cursor, bool limit_reached,
                             struct python_stack_facts *facts)
{
    if (step == STEP_END)
        facts->completeness = PYTHON_STACK_COMPLETE;
    else if (cursor->steps > FRAME_WALK_LIMIT && limit_reached)
        facts->omitted_more = true; /* the frames that were asked for are there */
    else
        facts->completeness = PYTHON_STACK_LOST;
}

static unsigned read_chain(const struct walker *walker, uintptr_t innermost,
                           struct python_frame *out, unsigned limit,
                           struct python_stack_facts *facts)
{
    struct frame_cursor cursor;
    unsigned count = 0;
    uintptr_t last_file = 0;
    enum step step;
    cursor_start(&cursor, innermost, false);
    while ((step = next_frame(walker, &cursor)) == STEP_FRAME) {
        if (count < limit)
            name_frame(walker, &cursor, out, count++, &last_file);
        else
            facts->omitted++;
    }
    set_completeness(step, &cursor, count == limit, facts);
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
    struct thread_position position;
    facts->completeness = find_thread(&walker, tid, &position);
    if (facts->completeness != PYTHON_STACK_COMPLETE)
        return 0;
    return read_chain(&walker, position.frame, out, limit, facts);
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

/* Walks the chain without naming its frames, hidden ones included: they may be shown a moment
 * later. The name of the outermost function is written to `outermost`. */
static unsigned remember_chain(const struct walker *walker, uintptr_t innermost,
                               struct python_frame *out, unsigned limit,
                               struct python_stack_facts *facts, char *outermost)
{
    struct frame_cursor cursor;
    unsigned count = 0;
    enum step step;
    cursor_start(&cursor, innermost, true);
    while ((step = next_frame(walker, &cursor)) == STEP_FRAME) {
        if (count < limit)
            remember_frame(&cursor, &out[count++]);
        else
            facts->omitted += !cursor.hidden;
    }
    set_completeness(step, &cursor, count == limit, facts);
    outermost[0] = '\0';
    if (step == STEP_END && cursor.code_address != 0)
        read_function_name(walker, &cursor.code_object, outermost);
    return count;
}

enum {
    SNAPSHOT_FRAMES = 40,
    SNAPSHOT_SIZE = 8192, /* bytes of one copy */
    /* A snapshot takes some microseconds. One that took much longer was interrupted, and the thread
     * may have come back to the same place meanwhile. */
    SNAPSHOT_NS = 20000,
    SNAPSHOT_REPEATS = 4,
    IRREGULAR_WAIT_MASK = 4095, /* ns */
};

static int64_t monotonic_ns(void)
{
    struct timespec now = {0};
    raw_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* 0 to 4 us, as the clock happens to stand: readings in the rhythm of the program's own loop would
 * all see the same wrong picture. */
static void wait_irregularly(void)
{
    int64_t start = monotonic_ns();
    while (monotonic_ns() - start < (start & IRREGULAR_WAIT_MASK))
        ;
}

/* A part of memory that holds one or more frames. Since 3.11 frames lie one after the other, the
 * outer ones lower, and copying a stack whole takes less than one Python call. */
struct region {
    uintptr_t start, end;
    size_t offset; /* of its copy, in both buffers */
};

struct snapshot {
    unsigned frames, regions;
    struct region region[SNAPSHOT_FRAMES]; /* the innermost frame's first */
    uint8_t frame_region[SNAPSHOT_FRAMES]; /* the region of each frame */
    uintptr_t innermost;
    unsigned char outside_in[SNAPSHOT_SIZE], inside_out[SNAPSHOT_SIZE];
};

/* Plans what is copied; takes fewer frames when they do not fit. */
static void plan_snapshot(const struct walker *walker, const struct python_frame *frames,
                          unsigned count, struct snapshot *snapshot)
{
    size_t used = 0;
    snapshot->frames = snapshot->regions = 0;
    for (unsigned i = 0; i < count && i < SNAPSHOT_FRAMES; i++) {
        uintptr_t start = frames[i].frame, end = start + walker->frame_size;
        struct region *last = i > 0 ? &snapshot->region[snapshot->regions - 1] : NULL;
        if (last && start < last->start && last->start - start <= SNAPSHOT_SIZE - used) {
            used += last->start - start;
            last->start = start;
        } else if (walker->frame_size <= SNAPSHOT_SIZE - used) {
            used += walker->frame_size;
            snapshot->region[snapshot->regions++] = (struct region){.start = start, .end = end};
        } else {
            break;
        }
        snapshot->frame_region[i] = (uint8_t)(snapshot->regions - 1);
        snapshot->frames++;
    }
    size_t offset = 0;
    for (unsigned i = 0; i < snapshot->regions; i++) {
        snapshot->region[i].offset = offset;
        offset += snapshot->region[i].end - snapshot->region[i].start;
    }
}

/* Copies the regions from the outermost to the innermost, the pointer to the innermost frame, and
 * the regions back. So the shorter a frame lives, the closer in time are its two copies. */
static bool take_snapshot(const struct walker *walker, const struct thread_position *position,
                          struct snapshot *snapshot)
{
    struct iovec local[2 * SNAPSHOT_FRAMES + 1], remote[2 * SNAPSHOT_FRAMES + 1];
    unsigned middle = snapshot->regions;
    local[middle] = (struct iovec){&snapshot->innermost, sizeof snapshot->innermost};
    remote[middle] = (struct iovec){(void *)position->frame_pointer, sizeof(uintptr_t)};
    for (unsigned i = 0; i < snapshot->regions; i++) {
        const struct region *region = &snapshot->region[i];
        size_t size = region->end - region->start;
        remote[middle - 1 - i] = remote[middle + 1 + i] =
            (struct iovec){(void *)region->start, size};
        local[middle - 1 - i] = (struct iovec){snapshot->outside_in + region->offset, size};
        local[middle + 1 + i] = (struct iovec){snapshot->inside_out + region->offset, size};
    }
    int64_t start = monotonic_ns();
    return walker->reader->read_pieces(walker->reader, local, remote, 2 * middle + 1) &&
           monotonic_ns() - start < SNAPSHOT_NS;
}

static uintptr_t snapshot_pointer(const unsigned char *copy, size_t offset)
{
    uintptr_t value;
    memcpy(&value, copy + offset, sizeof value);
    return value;
}

/* Takes over the instructions of the snapshot if it proves that its frames were the thread's stack
 * at one moment: same frames as in the walk, linked in the same way, and the same on the way back.
 * Only the innermost frame may have gone on to another instruction: its caller waits for it.
 * A repeated snapshot must also find the instructions of the one before. */
static bool accept_snapshot(const struct walker *walker, const struct thread_position *position,
                            const struct snapshot *snapshot, bool repeated,
                            struct python_frame *frames)
{
    const struct python_offsets *offsets = walker->offsets;
    if (snapshot->innermost != position->frame)
        return false;
    for (unsigned i = 0; i < snapshot->frames; i++) {
        const struct region *region = &snapshot->region[snapshot->frame_region[i]];
        size_t offset = region->offset + (frames[i].frame - region->start);
        const unsigned char *before = snapshot->outside_in + offset;
        const unsigned char *after = snapshot->inside_out + offset;
        uintptr_t code = snapshot_pointer(before, offsets->frame_code);
        uintptr_t previous = snapshot_pointer(before, offsets->frame_previous);
        uintptr_t instruction = snapshot_pointer(before, offsets->frame_instruction);
        if ((code & ~(uintptr_t)CODE_TAG_BITS) != frames[i].code ||
            previous != frames[i].previous ||
            code != snapshot_pointer(after, offsets->frame_code) ||
            previous != snapshot_pointer(after, offsets->frame_previous) ||
            (i > 0 && instruction != snapshot_pointer(after, offsets->frame_instruction)) ||
            (i > 0 && repeated && instruction != frames[i].instruction))
            return false;
        frames[i].instruction = instruction;
    }
    return true;
}

/* Whether the frames further out than the snapshot are still as the walk found them. */
static bool rest_is_unchanged(const struct walker *walker, const struct python_frame *frames,
                              unsigned from, unsigned count, unsigned omitted)
{
    struct frame_cursor cursor;
    unsigned index = from;
    enum step step;
    cursor_start(&cursor, frames[from - 1].previous, true);
    while ((step = next_frame(walker, &cursor)) == STEP_FRAME) {
        if (index >= count) {
            index += !cursor.hidden;
            continue;
        }
        const struct python_frame *frame = &frames[index++];
        if (frame->frame != cursor.frame || frame->code != cursor.code ||
            frame->instruction != cursor.instruction)
            return false;
    }
    return step == STEP_END && index == count + omitted;
}

/* Names the remembered frames that tracebacks show; the others are taken out. */
static bool name_remembered_frames(const struct walker *walker, struct python_frame *frames,
                                   unsigned *count)
{
    struct frame_cursor cursor;
    uintptr_t last_file = 0;
    unsigned shown = 0;
    cursor_start(&cursor, 0, false);
    for (unsigned i = 0; i < *count; i++) {
        cursor.frame = frames[i].frame;
        cursor.code = frames[i].code;
        cursor.previous = frames[i].previous;
        cursor.instruction = frames[i].instruction;
        cursor.owner = frames[i].owner;
        if (!read_code(walker, &cursor))
            return false;
        cursor.offset = instruction_offset(walker->offsets, cursor.instruction, cursor.code);
        if (!is_hidden(walker, &cursor))
            name_frame(walker, &cursor, frames, shown++, &last_file);
    }
    *count = shown;
    return shown > 0;
}

static bool read_running(const struct walker *walker, const struct thread_position *position,
                         struct python_frame *out, unsigned limit, struct python_stack_facts *facts,
                         unsigned *count)
{
    char outermost[PYTHON_FUNCTION_LIMIT];
    struct snapshot snapshot;
    *count = remember_chain(walker, position->frame, out, limit, facts, outermost);
    if (facts->completeness != PYTHON_STACK_COMPLETE || facts->omitted_more || *count == 0 ||
        !is_outermost_function(outermost))
        return false;
    plan_snapshot(walker, out, *count, &snapshot);
    if (!take_snapshot(walker, position, &snapshot) ||
        !accept_snapshot(walker, position, &snapshot, false, out))
        return false;
    /* Frames all over the heap (before 3.11) take 0.3 us each, time enough for a call or two: of a
     * program that does nothing but call, one snapshot in some hundred is wrong. */
    for (unsigned i = 0; snapshot.regions > 1 && i < SNAPSHOT_REPEATS; i++) {
        wait_irregularly();
        if (!take_snapshot(walker, position, &snapshot) ||
            !accept_snapshot(walker, position, &snapshot, true, out))
            return false;
    }
    return rest_is_unchanged(walker, out, snapshot.frames, *count, facts->omitted) &&
           name_remembered_frames(walker, out, count);
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
    for (unsigned i = 0; i < RUNNING_ATTEMPTS && reader->read_pieces; i++) {
        struct thread_position position;
        unsigned count;
        *facts = (struct python_stack_facts){0};
        facts->completeness = find_thread(&walker, tid, &position);
        if (facts->completeness != PYTHON_STACK_COMPLETE)
            return 0;
        if (read_running(&walker, &position, out, limit, facts, &count))
            return count;
    }
    *facts = (struct python_stack_facts){.completeness = PYTHON_STACK_MOVING};
    return 0;
}
