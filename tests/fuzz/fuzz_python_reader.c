// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are the memory of a process, and the CPython reader reads it.
//   make fuzz [FUZZ_SECONDS=60]
// Byte 0 chooses the version; the rest is the image. Started without a corpus, libFuzzer would
// hardly ever come to a frame: the initializer puts an image of every version into FUZZ_SEEDS.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explain/elf_symbols.h"
#include "explain/python/python_await.h"
#include "python_image.h"

enum {
    FIRST_MINOR = 7,
    MINORS = 9,
    FRAME_LIMIT = 48,
    /* Behind what the image has: a task, its coroutine, and that of what it awaits. */
    LOOP_FRAME = PYTHON_IMAGE_ADDRESS + 0x8000,
    TASK = LOOP_FRAME + 0x200,
    COROUTINES = LOOP_FRAME + 0x400,
    COROUTINE_STEP = 0x200,
    TYPES = LOOP_FRAME + 0xa00,
    TYPE_STEP = 0x80,
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct python_image image;
static struct python_frame frames[FRAME_LIMIT];

static uintptr_t put_type(unsigned number, const char *name)
{
    uintptr_t type = TYPES + number * TYPE_STEP;
    python_image_poke(&image, type + 24, type + 40); /* tp_name */
    python_image_poke(&image, type + 32, 64);        /* tp_basicsize */
    strcpy((char *)image.bytes + (type + 40 - PYTHON_IMAGE_ADDRESS), name);
    return type;
}

/* The loop's frame has the task, the task a coroutine, which awaits another one,
 * and that the first: it must end somewhere (3.11 on). */
static void put_awaits(unsigned minor)
{
    const struct python_offsets *offsets = &image.runtime.offsets;
    uintptr_t coroutine_type = put_type(0, "coroutine"), task_type = put_type(1, "_asyncio.Task");
    uint64_t variables = (offsets->frame_owner + 8U) & ~7U, code;
    memcpy(&code,
           image.bytes + (image.innermost_frame + offsets->frame_code - PYTHON_IMAGE_ADDRESS),
           sizeof code);
    if (minor < 11)
        return;
    python_image_poke(&image, LOOP_FRAME + variables + 8, TASK);
    python_image_poke(&image, TASK + offsets->object_type, task_type);
    python_image_poke(&image, TASK + 24, COROUTINES);
    for (unsigned i = 0; i < 2; i++) {
        uintptr_t coroutine = COROUTINES + i * COROUTINE_STEP;
        uintptr_t frame = coroutine + (minor == 11 ? 80 : 72);
        python_image_poke(&image, coroutine + offsets->object_type, coroutine_type);
        python_image_poke(&image, frame + offsets->frame_code, code);
        python_image_poke(&image, frame + offsets->frame_instruction + 8,
                          minor < 14 ? 1 : frame + variables + 8);
        image.bytes[frame + offsets->frame_owner - PYTHON_IMAGE_ADDRESS] = 1;
        python_image_poke(&image, frame + variables, COROUTINES + (1 - i) * COROUTINE_STEP);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *folder = getenv("FUZZ_SEEDS");
    for (unsigned minor = 8; folder && minor <= 14; minor++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/python-3.%u", folder, minor);
        FILE *file = fopen(path, "we");
        if (!file)
            return 1;
        python_image_build(&image, minor);
        put_awaits(minor);
        fputc((int)(minor - FIRST_MINOR), file);
        fwrite(image.bytes, 1, sizeof image.bytes, file);
        fclose(file);
    }
    python_image_build(&image, 12);
    return 0;
}

static void check(const struct python_frame *out, unsigned count)
{
    if (count > FRAME_LIMIT)
        abort();
    for (unsigned i = 0; i < count; i++)
        if (!memchr(out[i].file, '\0', sizeof out[i].file) ||
            !memchr(out[i].function, '\0', sizeof out[i].function) || out[i].line < 0)
            abort();
}

static void read_awaits(const struct python_runtime *runtime, const struct memory_reader *reader)
{
    static const struct python_frame loop = {.file = "/usr/lib/python3/asyncio/base_events.py",
                                             .function = "run_until_complete",
                                             .frame = LOOP_FRAME};
    if (runtime->support == PYTHON_SUPPORTED)
        check(frames, python_read_awaits(runtime, reader, &loop, 1, frames, FRAME_LIMIT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    unsigned minor = FIRST_MINOR + data[0] % MINORS;
    struct memory_reader reader = memory_reader_image(data + 1, PYTHON_IMAGE_ADDRESS, size - 1);
    struct python_runtime runtime = {
        .runtime = PYTHON_IMAGE_ADDRESS,
        .code_type = image.runtime.code_type,
        .version = 0x030000f0 | minor << 16,
        .pthread_tid_offset = image.runtime.pthread_tid_offset,
    };
    char feature[PYTHON_FEATURE_LIMIT];
    struct python_stack_facts facts;
    python_runtime_choose_offsets(&reader, &runtime);
    python_runtime_describe(&runtime, feature, sizeof feature);
    check(frames,
          python_read_stack(&runtime, &reader, PYTHON_IMAGE_TID, frames, FRAME_LIMIT, &facts));
    check(frames, python_read_stack_running(&runtime, &reader, PYTHON_IMAGE_TID, frames,
                                            FRAME_LIMIT, &facts));
    read_awaits(&runtime, &reader);

    struct elf_symbols symbols;
    if (elf_symbols_open(&reader, PYTHON_IMAGE_ADDRESS, &symbols))
        elf_symbols_find(&reader, &symbols, "_PyRuntime");
    struct memory_reader file = memory_reader_image(data + 1, 0, size - 1);
    elf_file_symbol_find(&file, 0, "_PyRuntime");
    return 0;
}
