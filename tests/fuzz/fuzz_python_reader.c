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
#include "python_image.h"

enum { FIRST_MINOR = 7, MINORS = 9, FRAME_LIMIT = 48 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct python_image image;
static struct python_frame frames[FRAME_LIMIT];

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

    struct elf_symbols symbols;
    if (elf_symbols_open(&reader, PYTHON_IMAGE_ADDRESS, &symbols))
        elf_symbols_find(&reader, &symbols, "_PyRuntime");
    struct memory_reader file = memory_reader_image(data + 1, 0, size - 1);
    elf_file_symbol_find(&file, 0, "_PyRuntime");
    return 0;
}
