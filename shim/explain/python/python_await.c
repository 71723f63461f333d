// SPDX-License-Identifier: MIT
#include "explain/python/python_await.h"

#include "explain/python/python_walk.h"
#include "explain/user_frame.h"

enum {
    CHAIN_WALK_LIMIT = 64,
    STACK_LIMIT = 1 << 16,  /* entries of a coroutine's stack */
    OWNED_BY_GENERATOR = 1, /* the same in all versions */
    TYPE_NAME = 24,         /* PyTypeObject.tp_name and */
    TYPE_BASIC_SIZE = 32,   /* tp_basicsize: never moved */
    NAME_LIMIT = 32,
    HELD =
        16, /* the first field of a wrapper: FutureIter's future, a coroutine_wrapper's coroutine */
};

/* Where a coroutine has its frame, and the frame its variables and stack. */
struct await_layout {
    uint16_t coroutine_frame;
    bool frame_is_pointer; /* 3.10: a PyFrameObject; later the frame lies in the coroutine */
    uint16_t variables;
    uint16_t stack; /* 3.10: a pointer to it; up to 3.13 its depth, counted from the variables;
                     * later a pointer to its top */
    uint16_t depth; /* 3.10 */
};

static bool find_layout(const struct python_offsets *offsets, struct await_layout *layout)
{
    if (offsets->minor < 10 || (offsets->minor > 10 && offsets->frame_owner == PYTHON_NO_FIELD))
        return false;
    if (offsets->minor == 10)
        *layout = (struct await_layout){16, true, 352, 64, 80};
    else
        *layout = (struct await_layout){
            .coroutine_frame = offsets->minor == 11 ? 80 : 72,
            .variables = (uint16_t)((offsets->frame_owner + 8U) & ~7U),
            .stack = (uint16_t)(offsets->frame_instruction + 8U),
        };
    return true;
}

struct chain {
    const struct walker *walker;
    struct await_layout layout;
    uintptr_t frames[CHAIN_WALK_LIMIT]; /* outermost first */
    unsigned count;
};

static uintptr_t read_reference(const struct chain *chain, uintptr_t address)
{
    uintptr_t value;
    return read_pointer(chain->walker->reader, address, &value)
               ? value & ~(uintptr_t)PYTHON_CODE_TAG_BITS
               : 0;
}

/* The name of an object's type; "": it is none. */
static uintptr_t read_type(const struct chain *chain, uintptr_t object, char name[NAME_LIMIT])
{
    uintptr_t type = 0, text = 0;
    name[0] = '\0';
    if (object == 0 ||
        !read_pointer(chain->walker->reader, object + chain->walker->offsets->object_type, &type) ||
        type == 0 || !read_pointer(chain->walker->reader, type + TYPE_NAME, &text) || text == 0)
        return 0;
    if (!memory_read(chain->walker->reader, text, name, NAME_LIMIT))
        name[0] = '\0'; /* within 32 bytes of the end of its memory: none of those looked for */
    name[NAME_LIMIT - 1] = '\0';
    return type;
}

enum awaitable { OTHER, COROUTINE, GENERATOR, WRAPPER, TASK };

static enum awaitable kind_of(const struct chain *chain, uintptr_t object, uintptr_t *type)
{
    static const struct {
        char name[24];
        enum awaitable kind;
    } names[] = {{"coroutine", COROUTINE},
                 {"async_generator", COROUTINE},
                 {"generator", GENERATOR},
                 {"coroutine_wrapper", WRAPPER},
                 {"async_generator_asend", WRAPPER},
                 {"_asyncio.FutureIter", WRAPPER},
                 {"_asyncio.Task", TASK}};
    char name[NAME_LIMIT];
    *type = read_type(chain, object, name);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0)
            return names[i].kind;
    return OTHER;
}

/* A task's only field that points to a coroutine is its own; the object ends where its type says.
 */
static uintptr_t task_coroutine(const struct chain *chain, uintptr_t task, uintptr_t type)
{
    uintptr_t size, found;
    struct object_bytes object;
    if (!read_pointer(chain->walker->reader, type + TYPE_BASIC_SIZE, &size) ||
        size > sizeof object.bytes ||
        !read_object(chain->walker->reader, task, (size_t)size, &object))
        return 0;
    for (size_t at = HELD; at + sizeof(uintptr_t) <= size; at += sizeof(uintptr_t)) {
        uintptr_t pointer = pointer_at(&object, at);
        if (pointer != 0 && pointer % sizeof(uintptr_t) == 0 &&
            kind_of(chain, pointer, &found) == COROUTINE)
            return pointer;
    }
    return 0;
}

/* The topmost entry of a frame's stack: of a coroutine that awaits, what it awaits. */
static uintptr_t top_of_stack(const struct chain *chain, uintptr_t frame)
{
    const struct await_layout *layout = &chain->layout;
    uintptr_t stack;
    int depth;
    if (layout->frame_is_pointer) {
        if (!read_pointer(chain->walker->reader, frame + layout->stack, &stack) ||
            !memory_read(chain->walker->reader, frame + layout->depth, &depth, sizeof depth))
            return 0;
    } else if (chain->walker->offsets->minor < 14) {
        stack = frame + layout->variables;
        if (!memory_read(chain->walker->reader, frame + layout->stack, &depth, sizeof depth))
            return 0;
    } else {
        if (!read_pointer(chain->walker->reader, frame + layout->stack, &stack))
            return 0;
        depth = 0;
        stack -= stack > sizeof stack ? sizeof stack : 0;
        return read_reference(chain, stack);
    }
    if (depth <= 0 || depth > STACK_LIMIT)
        return 0;
    return read_reference(chain, stack + ((unsigned)depth - 1) * sizeof(uintptr_t));
}

/* The frame of a coroutine that has not ended. */
static uintptr_t coroutine_frame(const struct chain *chain, uintptr_t coroutine)
{
    const struct python_offsets *offsets = chain->walker->offsets;
    uintptr_t frame = coroutine + chain->layout.coroutine_frame, code;
    unsigned char owner;
    if (chain->layout.frame_is_pointer)
        return read_pointer(chain->walker->reader, frame, &frame) ? frame : 0;
    if (!memory_read(chain->walker->reader, frame + offsets->frame_owner, &owner, sizeof owner) ||
        owner != OWNED_BY_GENERATOR ||
        !read_pointer(chain->walker->reader, frame + offsets->frame_code, &code))
        return 0;
    return frame;
}

/* Follows what `object` awaits, and that, to its end. A generator that is not delegating may have
 * any other one on its stack: from it only what cannot be iterated leads on. */
static void follow(struct chain *chain, uintptr_t object)
{
    bool from_generator = false;
    for (unsigned steps = 0; object != 0 && steps < CHAIN_WALK_LIMIT; steps++) {
        uintptr_t type;
        enum awaitable kind = kind_of(chain, object, &type);
        if (kind == WRAPPER) {
            object = read_reference(chain, object + HELD);
            continue;
        }
        if (kind == TASK) {
            object = task_coroutine(chain, object, type);
            from_generator = false;
            continue;
        }
        if (kind == OTHER || (kind == GENERATOR && from_generator))
            return;
        uintptr_t frame = coroutine_frame(chain, object);
        if (frame == 0 || chain->count == CHAIN_WALK_LIMIT)
            return;
        chain->frames[chain->count++] = frame;
        from_generator = kind == GENERATOR;
        object = top_of_stack(chain, frame);
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool is_function(const struct python_frame *frame, const char *class_name, const char *name)
{
    const char *function = frame->function;
    size_t length = strlen(class_name);
    if (strncmp(function, class_name, length) == 0 && function[length] == '.')
        function += length + 1;
    return strcmp(function, name) == 0;
}

/* Which variable of the frame is the main task, or its coroutine; -1: it is no frame of a loop. */
static int main_task_variable(const struct python_frame *frame)
{
    if (ends_with(frame->file, "/asyncio/base_events.py") &&
        is_function(frame, "BaseEventLoop", "run_until_complete"))
        return 1; /* self, future: uvloop has no such frame */
    if (!ends_with(frame->file, "/asyncio/runners.py"))
        return -1;
    if (strcmp(frame->function, "Runner.run") == 0)
        return 1; /* self, coro */
    return strcmp(frame->function, "run") == 0 ? 0 : -1;
}

/* Names the frames, innermost first. */
static unsigned name_chain(const struct chain *chain, struct python_frame *out, unsigned limit)
{
    struct frame_cursor cursor;
    uintptr_t last_file = 0;
    unsigned count = 0;
    for (unsigned i = chain->count; i-- > 0 && count < limit;) {
        python_cursor_start(&cursor, chain->frames[i], true);
        if (python_next_frame(chain->walker, &cursor) != STEP_FRAME)
            break;
        python_name_frame(chain->walker, &cursor, out, count, &last_file);
        out[count++].awaits = true;
    }
    return count;
}

unsigned python_read_awaits(const struct python_runtime *runtime,
                            const struct memory_reader *reader, const struct python_frame *stack,
                            unsigned count, struct python_frame *out, unsigned limit)
{
    struct walker walker = python_walker_start(runtime, reader);
    struct chain chain = {.walker = &walker};
    if (!find_layout(&runtime->offsets, &chain.layout))
        return 0;
    for (unsigned i = 0; i < count; i++) {
        int variable = main_task_variable(&stack[i]);
        if (variable < 0 && !python_file_is_library(stack[i].file))
            return 0;
        if (variable >= 0) {
            follow(&chain, read_reference(&chain, stack[i].frame + chain.layout.variables +
                                                      (unsigned)variable * sizeof(uintptr_t)));
            return name_chain(&chain, out, limit);
        }
    }
    return 0;
}
