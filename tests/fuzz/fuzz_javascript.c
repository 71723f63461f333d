// SPDX-License-Identifier: MIT
// libFuzzer target: random and damaged memory of a Node, and the reader of its JavaScript frames.
//   make fuzz [FUZZ_SECONDS=60]
// With FUZZ_JAVASCRIPT=FILE (what tests/tools/javascript_frames --record writes; `make fuzz` does
// that where node is installed) the memory is that of a real one, and the input says what is wrong
// in it: 8 bytes each: page, offset, kind of damage, value. Without, all memory is the input.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "v8_recording.h"

enum { FRAME_LIMIT = 48, DAMAGES = 256 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct v8_recording recording;
static struct stack_snapshot snapshot;
static struct javascript_frame frames[FRAME_LIMIT];
static struct javascript_workspace *work;
static const uint8_t *input;
static size_t input_size;

struct damage {
    uint16_t page, offset;
    uint8_t kind, bit;
    uint16_t value;
};

static size_t read_recorded(const struct memory_reader *reader, uintptr_t address, void *to,
                            size_t size)
{
    (void)reader;
    size_t copied = 0;
    while (copied < size) {
        uintptr_t at = address + copied, page = at & ~(uintptr_t)(V8_PAGE_SIZE - 1);
        unsigned i = 0;
        while (i < recording.count && recording.address[i] != page)
            i++;
        if (i == recording.count)
            break;
        size_t offset = at - page;
        size_t part = V8_PAGE_SIZE - offset < size - copied ? V8_PAGE_SIZE - offset : size - copied;
        memcpy((char *)to + copied, recording.page[i] + offset, part);
        copied += part;
    }
    return copied;
}

static size_t read_input(const struct memory_reader *reader, uintptr_t address, void *to,
                         size_t size)
{
    (void)reader;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = input_size ? input[(address + i) % input_size] : 0;
    return size;
}

/* A word is changed; returns what it was. */
static uint64_t damage_word(const struct damage *damage, uint64_t *at)
{
    uint64_t before = *at;
    switch (damage->kind % 5) {
    case 0:
        *at ^= 1ULL << (damage->bit % 64);
        break;
    case 1:
        *at = damage->value;
        break;
    case 2:
        *at += (uint64_t)(int64_t)(int16_t)damage->value;
        break;
    case 3: /* another object */
        *at = recording.address[damage->value % recording.count] + damage->bit * 8UL + 1;
        break;
    default:
        *at = (uint64_t)damage->value << 32; /* a Smi */
        break;
    }
    return before;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const char *path = getenv("FUZZ_JAVASCRIPT");
    FILE *file = path ? fopen(path, "re") : NULL;
    if (file) {
        if (fread(&recording, sizeof recording, 1, file) != 1)
            recording.count = 0;
        fclose(file);
    }
    work = calloc(1, javascript_workspace_size());
    return work == NULL;
}

static void check(unsigned count)
{
    if (count > FRAME_LIMIT)
        abort();
    for (unsigned i = 0; i < count; i++)
        if (!memchr(frames[i].file, '\0', sizeof frames[i].file) ||
            !memchr(frames[i].function, '\0', sizeof frames[i].function) || frames[i].line < 0 ||
            frames[i].column < 0 || frames[i].function_line < 0)
            abort();
}

/* A layout as V8 12 publishes it, for memory that no V8 has written. */
static void make_layout(struct javascript_runtime *runtime)
{
    struct v8_constants k;
    for (size_t i = 0; i < offsetof(struct v8_constants, frame_types) / sizeof(int32_t); i++)
        ((int32_t *)&k)[i] = (int32_t)(i % 30) * 8;
    k.frame_types = ~0ULL;
    k.tagged_size = 8;
    k.heap_object_tag = k.smi_tag_mask = k.smi_value_shift = 1;
    k.smi_shift_size = 31;
    k.fp_context = -8;
    k.fp_function = -16;
    k.fp_bytecode_array = -32;
    k.fp_bytecode_offset = -40;
    k.first_nonstring_type = 128;
    k.first_function_type = 2066;
    k.last_function_type = 2082;
    k.string_representation_mask = 7;
    k.string_encoding_mask = 8;
    if (!v8_layout_choose(&k, &runtime->layout))
        abort();
    runtime->support = JAVASCRIPT_SUPPORTED;
    runtime->layout_read = true;
    runtime->bytecodes.count = 200;
    memset(runtime->bytecodes.size, 2, sizeof runtime->bytecodes.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stack_trace trace;
    struct javascript_runtime runtime = recording.runtime;
    struct javascript_stack_facts facts;
    struct memory_reader reader = {.read = recording.count ? read_recorded : read_input, .fd = -1};
    struct damage damages[DAMAGES];
    uint64_t before[DAMAGES];
    unsigned count =
        size / sizeof *damages < DAMAGES ? (unsigned)(size / sizeof *damages) : DAMAGES;
    input = data;
    input_size = size;
    if (recording.count == 0) {
        make_layout(&runtime);
        count = 0;
    }
    runtime.pid = -1; /* no maps */
    memcpy(damages, data, count * sizeof *damages);
    for (unsigned i = 0; i < count; i++)
        before[i] =
            damage_word(&damages[i], (uint64_t *)recording.page[damages[i].page % recording.count] +
                                         damages[i].offset % (V8_PAGE_SIZE / 8));
    trace = (struct stack_trace){.count = 1, .end = STACK_END_LOST};
    trace.frame_pointer[0] = recording.count ? recording.frame_pointer : 0x7fff0000;
    trace.pc[0] = size > 8 ? data[8] * 4096UL : 0;
    stack_snapshot_begin(&snapshot);
    check(javascript_read_stack(&runtime, &reader, work, &trace, &snapshot, frames, FRAME_LIMIT,
                                &facts));
    for (unsigned i = count; i > 0; i--)
        ((uint64_t *)recording.page[damages[i - 1].page % recording.count])[damages[i - 1].offset %
                                                                            (V8_PAGE_SIZE / 8)] =
            before[i - 1];
    return 0;
}
