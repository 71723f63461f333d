// SPDX-License-Identifier: MIT
#include "explain/python/debug_offsets.h"

#include <string.h>

/* The published structure is a row of 64-bit numbers in sections; between versions sections grew
 * at their ends and one was inserted. These are the sections' sizes, and the places in them. */
struct published_layout {
    unsigned interpreter, frame, code, set;
};
static const struct published_layout layout_3_13 = {13, 6, 10, 0};
static const struct published_layout layout_3_14 = {16, 8, 11, 4};

enum {
    HEADER_NUMBERS = 3, /* cookie, version, free_threaded */
    RUNTIME_NUMBERS = 3,
    THREAD_NUMBERS = 9,
    OBJECT_NUMBERS = 2,
    TYPE_NUMBERS = 4,
    TUPLE_TO_LIST_NUMBERS = 6,
    DICT_TO_LONG_NUMBERS = 3 + 2 + 3,
    BYTES_NUMBERS = 3,
    TEXT_NUMBERS = 4,
    PUBLISHED_LIMIT = 96,

    RUNTIME_INTERPRETERS_HEAD = 2,
    INTERPRETER_ID = 1,
    INTERPRETER_NEXT = 2,
    INTERPRETER_THREADS_HEAD = 3,
    THREAD_NEXT = 2,
    THREAD_CURRENT_FRAME = 4,
    THREAD_ID = 5,
    THREAD_NATIVE_ID = 6,
    FRAME_PREVIOUS = 1,
    FRAME_EXECUTABLE = 2,
    FRAME_INSTRUCTION = 3,
    FRAME_OWNER = 5,
    CODE_FILENAME = 1,
    CODE_NAME = 2,
    CODE_QUALIFIED_NAME = 3,
    CODE_LINE_TABLE = 4,
    CODE_FIRST_LINE = 5,
    CODE_BYTES = 9,
    OBJECT_TYPE = 1,
    BYTES_SIZE = 1,
    BYTES_DATA = 2,
    TEXT_STATE = 1,
    TEXT_LENGTH = 2,
    TEXT_ASCII_SIZE = 3,

    RUNTIME_OFFSET_LIMIT = 16 << 20, /* _PyRuntime and an interpreter are below 1 MB */
    UTF8_FIELDS_SIZE = 16,           /* PyCompactUnicodeObject: utf8_length and utf8 */
    /* In front of the bytes of a code object are `int _co_firsttraceable; void *co_extra;`. */
    FIRST_TRACEABLE_BEFORE_BYTES = 16,
    OWNED_BY_C_STACK = 3, /* 3.13; 3.14 calls it INTERPRETER, and CSTACK is 4 */
};

/* The offsets that no version ever changed, in builds with the GIL and without Py_TRACE_REFS. */
static bool invariants_hold(const uint64_t *object, const uint64_t *bytes, const uint64_t *text)
{
    return object[0] == 16 && object[OBJECT_TYPE] == 8 && bytes[BYTES_SIZE] == 16 &&
           bytes[BYTES_DATA] == 32 && text[TEXT_LENGTH] == 16 && text[TEXT_STATE] == 32 &&
           text[TEXT_ASCII_SIZE] == 40;
}

static bool all_below(const uint64_t *numbers, unsigned count, uint64_t limit)
{
    for (unsigned i = 0; i < count; i++)
        if (numbers[i] >= limit)
            return false;
    return true;
}

static bool decode(const uint64_t *numbers, const struct published_layout *layout,
                   struct python_offsets *offsets)
{
    const uint64_t *runtime = numbers + HEADER_NUMBERS;
    const uint64_t *interpreter = runtime + RUNTIME_NUMBERS;
    const uint64_t *thread = interpreter + layout->interpreter;
    const uint64_t *frame = thread + THREAD_NUMBERS;
    const uint64_t *code = frame + layout->frame;
    const uint64_t *object = code + layout->code;
    const uint64_t *bytes = object + OBJECT_NUMBERS + TYPE_NUMBERS + TUPLE_TO_LIST_NUMBERS +
                            layout->set + DICT_TO_LONG_NUMBERS;
    const uint64_t *text = bytes + BYTES_NUMBERS;
    /* A structure's first number is its size, and may be greater than what is read of it. */
    if (!invariants_hold(object, bytes, text) || runtime[RUNTIME_INTERPRETERS_HEAD] % 8 != 0 ||
        !all_below(runtime, RUNTIME_NUMBERS, RUNTIME_OFFSET_LIMIT) ||
        !all_below(interpreter, INTERPRETER_THREADS_HEAD + 1, RUNTIME_OFFSET_LIMIT) ||
        !all_below(thread + 1, THREAD_NATIVE_ID, PYTHON_OBJECT_LIMIT - 8) ||
        !all_below(frame + 1, FRAME_OWNER, PYTHON_OBJECT_LIMIT - 8) ||
        !all_below(code + 1, CODE_BYTES, PYTHON_OBJECT_LIMIT - 8) ||
        code[CODE_BYTES] < FIRST_TRACEABLE_BEFORE_BYTES)
        return false;

    offsets->runtime_interpreters = (uint32_t)runtime[RUNTIME_INTERPRETERS_HEAD];
    offsets->interpreter_next = (uint32_t)interpreter[INTERPRETER_NEXT];
    offsets->interpreter_id = (uint32_t)interpreter[INTERPRETER_ID];
    offsets->interpreter_threads = (uint32_t)interpreter[INTERPRETER_THREADS_HEAD];
    offsets->thread_next = (uint16_t)thread[THREAD_NEXT];
    offsets->thread_id = (uint16_t)thread[THREAD_ID];
    offsets->thread_native_id = (uint16_t)thread[THREAD_NATIVE_ID];
    offsets->thread_frame = (uint16_t)thread[THREAD_CURRENT_FRAME];
    offsets->cframe_frame = PYTHON_NO_FIELD;
    offsets->frame_code = (uint16_t)frame[FRAME_EXECUTABLE];
    offsets->frame_previous = (uint16_t)frame[FRAME_PREVIOUS];
    offsets->frame_instruction = (uint16_t)frame[FRAME_INSTRUCTION];
    offsets->frame_owner = (uint16_t)frame[FRAME_OWNER];
    offsets->code_filename = (uint16_t)code[CODE_FILENAME];
    offsets->code_name = (uint16_t)code[CODE_NAME];
    offsets->code_qualified_name = (uint16_t)code[CODE_QUALIFIED_NAME];
    offsets->code_first_line = (uint16_t)code[CODE_FIRST_LINE];
    offsets->code_line_table = (uint16_t)code[CODE_LINE_TABLE];
    offsets->code_bytes = (uint16_t)code[CODE_BYTES];
    offsets->code_first_traceable = (uint16_t)(code[CODE_BYTES] - FIRST_TRACEABLE_BEFORE_BYTES);
    offsets->object_type = (uint16_t)object[OBJECT_TYPE];
    offsets->text_length = (uint16_t)text[TEXT_LENGTH];
    offsets->text_state = (uint16_t)text[TEXT_STATE];
    offsets->text_ascii_data = (uint16_t)text[TEXT_ASCII_SIZE];
    offsets->text_compact_data = (uint16_t)(text[TEXT_ASCII_SIZE] + UTF8_FIELDS_SIZE);
    offsets->bytes_size = (uint16_t)bytes[BYTES_SIZE];
    offsets->bytes_data = (uint16_t)bytes[BYTES_DATA];
    return true;
}

bool debug_offsets_read(const struct memory_reader *reader, uintptr_t runtime,
                        struct debug_offsets *debug)
{
    memset(debug, 0, sizeof *debug);
    uint64_t numbers[PUBLISHED_LIMIT];
    if (!memory_read(reader, runtime, numbers, sizeof numbers) ||
        memcmp(numbers, "xdebugpy", sizeof *numbers) != 0)
        return false;
    debug->version = (uint32_t)numbers[1];
    debug->free_threaded = numbers[2] != 0;
    unsigned minor = debug->version >> 16 & 0xff;
    if (debug->version >> 24 != 3 || minor < DEBUG_OFFSETS_FIRST_MINOR ||
        minor > DEBUG_OFFSETS_LAST_MINOR || debug->free_threaded)
        return true;
    debug->offsets.minor = (uint8_t)minor;
    debug->offsets.line_format = PYTHON_LOCATION_TABLE;
    debug->offsets.instruction_format = PYTHON_INSTRUCTION_POINTER;
    debug->offsets.interpreter_owner = OWNED_BY_C_STACK;
    debug->usable = decode(
        numbers, minor == DEBUG_OFFSETS_FIRST_MINOR ? &layout_3_13 : &layout_3_14, &debug->offsets);
    return true;
}
