// SPDX-License-Identifier: MIT
#include "python_image.h"

#include <string.h>

enum {
    RUNTIME = PYTHON_IMAGE_ADDRESS,
    INTERPRETER = RUNTIME + 0x1000,
    THREAD = RUNTIME + 0x3000,
    OTHER_THREAD = RUNTIME + 0x3200,
    CFRAME = RUNTIME + 0x3400,
    CODE_TYPE = RUNTIME + 0x3500,
    PTHREAD = RUNTIME + 0x3600,
    FRAMES = RUNTIME + 0x4000,
    CODES = RUNTIME + 0x5000,
    TEXTS = RUNTIME + 0x7000,
    FRAME_STEP = 0x80,
    CODE_STEP = 0x200,
    TEXT_STEP = 0x100,
    PTHREAD_TID = 0x80,
    OWNED_BY_THREAD = 0,
    OWNED_BY_C_STACK = 3,
    TAG = 1,
};

/* Offsets of 3.13 that its runtime publishes; 3.14's are the same where it matters here. */
static const struct python_offsets published = {
    .runtime_interpreters = 1040, /* behind what is published */
    .interpreter_next = 7264,
    .interpreter_id = 7272,
    .interpreter_threads = 7344,
    .thread_next = 8,
    .thread_id = 152,
    .thread_native_id = 160,
    .thread_frame = 72,
    .frame_code = 0,
    .frame_previous = 8,
    .frame_instruction = 56,
    .frame_owner = 70,
    .code_filename = 112,
    .code_name = 120,
    .code_qualified_name = 128,
    .code_first_line = 68,
    .code_line_table = 136,
    .code_bytes = 200,
    .text_length = 16,
    .text_state = 32,
    .bytes_size = 16,
    .bytes_data = 32,
};

static void put(struct python_image *image, uintptr_t address, const void *bytes, size_t size)
{
    memcpy(image->bytes + (address - PYTHON_IMAGE_ADDRESS), bytes, size);
}

void python_image_poke(struct python_image *image, uintptr_t address, uint64_t value)
{
    put(image, address, &value, sizeof value);
}

static void put_int(struct python_image *image, uintptr_t address, int value)
{
    put(image, address, &value, sizeof value);
}

struct memory_reader python_image_reader(const struct python_image *image, size_t size)
{
    return memory_reader_image(image->bytes, PYTHON_IMAGE_ADDRESS, size);
}

static void skip(uint64_t **at, unsigned count)
{
    *at += count;
}

static void add(uint64_t **at, uint64_t value)
{
    *(*at)++ = value;
}

void python_image_publish(struct python_image *image, unsigned layout, uint64_t version,
                          bool free_threaded)
{
    uint64_t numbers[128] = {0}, *at = numbers;
    bool newer = layout >= 14;
    const struct python_offsets *o = &published;
    memcpy(at, "xdebugpy", 8);
    skip(&at, 1);
    add(&at, version);
    add(&at, free_threaded);
    skip(&at, 2); /* runtime_state: size, finalizing */
    add(&at, o->runtime_interpreters);
    skip(&at, 1); /* interpreter_state: size */
    add(&at, o->interpreter_id);
    add(&at, o->interpreter_next);
    add(&at, o->interpreter_threads);
    skip(&at, newer ? 12 : 9);
    skip(&at, 2); /* thread_state: size, prev */
    add(&at, o->thread_next);
    skip(&at, 1);
    add(&at, o->thread_frame);
    add(&at, o->thread_id);
    add(&at, o->thread_native_id);
    skip(&at, 2);
    add(&at, 88); /* interpreter_frame: size */
    add(&at, o->frame_previous);
    add(&at, o->frame_code);
    add(&at, o->frame_instruction);
    skip(&at, 1);
    add(&at, o->frame_owner);
    skip(&at, newer ? 2 : 0);
    skip(&at, 1); /* code_object: size */
    add(&at, o->code_filename);
    add(&at, o->code_name);
    add(&at, o->code_qualified_name);
    add(&at, o->code_line_table);
    add(&at, o->code_first_line);
    skip(&at, 3);
    add(&at, o->code_bytes);
    skip(&at, newer ? 1 : 0);
    add(&at, 16); /* pyobject: size, ob_type */
    add(&at, 8);
    skip(&at, 4 + 3 + 3 + (newer ? 4 : 0) + 3 + 2 + 3); /* type tuple list set dict float long */
    skip(&at, 1);                                       /* bytes_object: size */
    add(&at, o->bytes_size);
    add(&at, o->bytes_data);
    skip(&at, 1); /* unicode_object: size */
    add(&at, o->text_state);
    add(&at, o->text_length);
    add(&at, 40);
    put(image, RUNTIME, numbers, sizeof numbers);
    put(image, RUNTIME + o->runtime_interpreters, &(uint64_t){INTERPRETER}, 8);
}

static uintptr_t put_text(struct python_image *image, unsigned index, const uint32_t *characters)
{
    const struct python_offsets *o = &image->runtime.offsets;
    uintptr_t address = TEXTS + index * TEXT_STEP;
    uint32_t all = 0, length = 0;
    for (; characters[length] != 0; length++)
        all |= characters[length];
    unsigned width = all < 0x100 ? 1 : all < 0x10000 ? 2 : 4;
    bool ascii = all < 0x80;
    uint32_t state = width << 2 | 1 << 5 | (uint32_t)ascii << 6;
    if (o->minor == 14 && index % 2 == 1)
        state = width << 16 | 1 << 19 | (uint32_t)ascii << 20; /* 16 bits of `interned` */
    python_image_poke(image, address + o->text_length, length);
    put(image, address + o->text_state, &state, sizeof state);
    uintptr_t data = address + (ascii ? o->text_ascii_data : o->text_compact_data);
    for (uint32_t i = 0; i < length; i++)
        put(image, data + (uintptr_t)i * width, &characters[i], width);
    return address;
}

/* A table which says that all instructions are `delta` lines after the first line. */
static uintptr_t put_line_table(struct python_image *image, unsigned index, int delta)
{
    const struct python_offsets *o = &image->runtime.offsets;
    uintptr_t address = TEXTS + index * TEXT_STEP;
    unsigned char table[4] = {0};
    size_t size = 2;
    if (o->line_format == PYTHON_LOCATION_TABLE) {
        table[0] = 0x80 | 13 << 3 | 7; /* eight code units, no columns, */
        table[1] = (unsigned char)(delta << 1);
    } else {
        table[0] = o->line_format == PYTHON_LINE_TABLE ? 16 : 0;
        table[1] = (unsigned char)delta;
    }
    python_image_poke(image, address + o->bytes_size, size);
    put(image, address + o->bytes_data, table, size);
    return address;
}

static uintptr_t put_code(struct python_image *image, unsigned index, const uint32_t *file,
                          const uint32_t *function, int line)
{
    const struct python_offsets *o = &image->runtime.offsets;
    uintptr_t code = CODES + index * CODE_STEP;
    python_image_poke(image, code + o->object_type, CODE_TYPE);
    python_image_poke(image, code + o->code_filename, put_text(image, index * 4, file));
    uintptr_t name = put_text(image, index * 4 + 1, function);
    python_image_poke(image, code + o->code_name, name);
    if (o->code_qualified_name != PYTHON_NO_FIELD)
        python_image_poke(image, code + o->code_qualified_name, name);
    put_int(image, code + o->code_first_line, line - 5);
    python_image_poke(image, code + o->code_line_table, put_line_table(image, index * 4 + 2, 5));
    if (o->code_first_traceable != PYTHON_NO_FIELD)
        put_int(image, code + o->code_first_traceable, 2);
    return code;
}

/* Frames are put outermost first. Returns the frame's address. */
static uintptr_t put_frame(struct python_image *image, unsigned index, uintptr_t previous,
                           uintptr_t code, int unit, int owner)
{
    const struct python_offsets *o = &image->runtime.offsets;
    uintptr_t frame = FRAMES + index * FRAME_STEP;
    python_image_poke(image, frame + o->frame_code, o->minor >= 14 ? code | TAG : code);
    python_image_poke(image, frame + o->frame_previous, previous);
    if (o->instruction_format == PYTHON_INSTRUCTION_POINTER)
        python_image_poke(image, frame + o->frame_instruction,
                          code + o->code_bytes + (uintptr_t)unit * 2);
    else
        put_int(image, frame + o->frame_instruction,
                o->instruction_format == PYTHON_INSTRUCTION_UNITS ? unit : unit * 2);
    if (o->frame_owner != PYTHON_NO_FIELD)
        put(image, frame + o->frame_owner, &(char){(char)owner}, 1);
    return frame;
}

static void put_threads(struct python_image *image)
{
    const struct python_offsets *o = &image->runtime.offsets;
    python_image_poke(image, RUNTIME + o->runtime_interpreters, INTERPRETER);
    python_image_poke(image, INTERPRETER + o->interpreter_id, 0);
    python_image_poke(image, INTERPRETER + o->interpreter_next, 0);
    python_image_poke(image, INTERPRETER + o->interpreter_threads, OTHER_THREAD);
    image->second_thread = OTHER_THREAD;
    python_image_poke(image, OTHER_THREAD + o->thread_next, THREAD);
    python_image_poke(image, THREAD + o->thread_id, PTHREAD);
    put_int(image, PTHREAD + PTHREAD_TID, PYTHON_IMAGE_TID);
    if (o->thread_native_id != PYTHON_NO_FIELD)
        python_image_poke(image, THREAD + o->thread_native_id, PYTHON_IMAGE_TID);
    if (o->cframe_frame == PYTHON_NO_FIELD) {
        image->innermost_pointer = THREAD + o->thread_frame;
    } else {
        python_image_poke(image, THREAD + o->thread_frame, CFRAME);
        image->innermost_pointer = CFRAME + o->cframe_frame;
    }
    python_image_poke(image, image->innermost_pointer, image->innermost_frame);
}

void python_image_build(struct python_image *image, unsigned minor)
{
    memset(image, 0, sizeof *image);
    image->runtime.runtime = RUNTIME;
    image->runtime.code_type = CODE_TYPE;
    image->runtime.version = 0x030000f0 | minor << 16;
    image->runtime.pthread_tid_offset = PTHREAD_TID;
    if (minor >= 13)
        python_image_publish(image, minor, image->runtime.version, false);
    struct memory_reader reader = python_image_reader(image, sizeof image->bytes);
    if (!python_runtime_choose_offsets(&reader, &image->runtime))
        return;
    static const uint32_t main_file[] = U"/srv/app/main.py", main_name[] = U"<module>",
                          latin_file[] = U"/srv/app/caf\u00e9.py",
                          latin_name[] = U"caf\u00e9.write",
                          wide_file[] = U"/srv/app/\u66f8\u304f.py", wide_name[] = U"\u66f8\u304f",
                          helper_name[] = U"__init__";
    uintptr_t main_code = put_code(image, 0, main_file, main_name, 11);
    uintptr_t latin_code = put_code(image, 1, latin_file, latin_name, 22);
    uintptr_t wide_code = put_code(image, 2, wide_file, wide_name, 33);
    uintptr_t helper_code = put_code(image, 3, main_file, helper_name, 44);

    uintptr_t frame = put_frame(image, 0, 0, main_code, 3, OWNED_BY_THREAD);
    image->outermost_frame = frame;
    if (minor >= 12)
        frame =
            put_frame(image, 1, frame, 0, 0, minor >= 14 ? OWNED_BY_C_STACK + 1 : OWNED_BY_C_STACK);
    frame = put_frame(image, 2, frame, latin_code, 4, OWNED_BY_THREAD);
    image->middle_frame = frame;
    if (minor >= 11)
        frame = put_frame(image, 3, frame, helper_code, 1, OWNED_BY_THREAD);
    image->innermost_frame = put_frame(image, 4, frame, wide_code, 5, OWNED_BY_THREAD);
    put_threads(image);
}
