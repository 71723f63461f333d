// SPDX-License-Identifier: MIT
/*
 * Walking CPython's structures: what python_stack.c (a blocked thread) and python_running.c (one
 * that runs) share. Everything is read through a memory_reader and may be garbage.
 */
#ifndef PIPESHIM_EXPLAIN_PYTHON_PYTHON_WALK_H
#define PIPESHIM_EXPLAIN_PYTHON_PYTHON_WALK_H

#include <string.h>

#include "explain/python/python_runtime.h"
#include "facts/python_frame.h"

enum {
    /* What is damaged or changes under the reader can be circular: every list ends somewhere. */
    PYTHON_INTERPRETER_LIMIT = 64,
    PYTHON_THREAD_LIMIT = 8192,
    PYTHON_FRAME_WALK_LIMIT = 4096,
    PYTHON_CODE_TAG_BITS = 3, /* _PyStackRef of 3.14: the low bits of a reference are flags */
};

/* What a walk reads with; one for a whole walk. */
struct walker {
    const struct python_runtime *runtime;
    const struct python_offsets *offsets;
    const struct memory_reader *reader;
    size_t thread_size, frame_size, code_size;
};

struct walker python_walker_start(const struct python_runtime *runtime,
                                  const struct memory_reader *reader);

/* The start of one of CPython's structures, as much as its known fields need. */
struct object_bytes {
    size_t size;
    unsigned char bytes[PYTHON_OBJECT_LIMIT];
};

static inline uintptr_t pointer_at(const struct object_bytes *object, size_t offset)
{
    uintptr_t value = 0;
    if (offset + sizeof value <= object->size)
        memcpy(&value, object->bytes + offset, sizeof value);
    return value;
}

static inline int int_at(const struct object_bytes *object, size_t offset)
{
    int value = 0;
    if (offset + sizeof value <= object->size)
        memcpy(&value, object->bytes + offset, sizeof value);
    return value;
}

static inline bool read_object(const struct memory_reader *reader, uintptr_t address, size_t size,
                               struct object_bytes *object)
{
    object->size = size;
    return address != 0 && size <= sizeof object->bytes &&
           memory_read(reader, address, object->bytes, size);
}

static inline bool read_pointer(const struct memory_reader *reader, uintptr_t address,
                                uintptr_t *value)
{
    return memory_read(reader, address, value, sizeof *value);
}

/* What was found of a thread. */
struct thread_position {
    uintptr_t frame;         /* its innermost frame; 0: none */
    uintptr_t frame_pointer; /* the address where that is stored */
};

/* Finds the thread: PYTHON_STACK_COMPLETE and its position, or why it has none. */
enum python_completeness python_find_thread(const struct walker *walker, int tid,
                                            struct thread_position *position);

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

/* Starts at the frame `frame`; with_hidden: also at those that tracebacks do not show. */
void python_cursor_start(struct frame_cursor *cursor, uintptr_t frame, bool with_hidden);

/* Puts the cursor on a frame that was remembered before; false if its code is gone. */
bool python_cursor_restore(const struct walker *walker, struct frame_cursor *cursor,
                           const struct python_frame *frame);

/* Goes to the next frame. */
enum step python_next_frame(const struct walker *walker, struct frame_cursor *cursor);

/* What the end of a walk says of the stack. */
void python_set_completeness(enum step step, const struct frame_cursor *cursor, bool limit_reached,
                             struct python_stack_facts *facts);

/* Writes where the cursor is to `frame`, without its names. */
void python_remember_frame(const struct frame_cursor *cursor, struct python_frame *frame);

/* Writes the cursor's frame to out[index]. What it shares with the frame before is copied:
 * `last_file` is the file name's address there, 0 at first. */
void python_name_frame(const struct walker *walker, const struct frame_cursor *cursor,
                       struct python_frame *out, unsigned index, uintptr_t *last_file);

/* Writes the (qualified) name of a code object's function to `to`, PYTHON_FUNCTION_LIMIT bytes. */
void python_read_function_name(const struct walker *walker, const struct object_bytes *code,
                               char *to);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
