// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are an ELF file, as it lies on disk and as it is mapped, and
// functions are looked for in its symbol tables.
//   make fuzz [FUZZ_SECONDS=60]
// The initializer puts a small shared object into FUZZ_SEEDS: glibc's libdl, which is all stubs.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain/symbol_table.h"

enum { TARGETS = 8, IMAGE = 0x100000 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char buffer[SYMBOL_BUFFER_SIZE];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *folder = getenv("FUZZ_SEEDS");
    char path[4096], bytes[65536];
    static const char *const files[] = {"/lib/x86_64-linux-gnu/libdl.so.2",
                                        "/lib/aarch64-linux-gnu/libdl.so.2"};
    for (unsigned i = 0; folder && i < 2; i++) {
        FILE *from = fopen(files[i], "re");
        if (!from)
            continue;
        size_t size = fread(bytes, 1, sizeof bytes, from);
        fclose(from);
        snprintf(path, sizeof path, "%s/libdl-%u", folder, i);
        FILE *file = fopen(path, "we");
        if (!file)
            return 1;
        fwrite(bytes, 1, size, file);
        fclose(file);
    }
    return 0;
}

static void search(const struct symbol_table *table)
{
    static struct symbol_target targets[TARGETS];
    for (unsigned i = 0; i < TARGETS; i++)
        targets[i] = (struct symbol_target){.address = i * 0x200};
    symbol_table_search(table, targets, TARGETS, buffer);
    for (unsigned i = 0; i < TARGETS; i++)
        if (targets[i].found && !memchr(targets[i].name, '\0', sizeof targets[i].name))
            abort();
}

static void check_build_id(size_t size)
{
    if (size > BUILD_ID_LIMIT)
        abort();
}

static void read_as_file(const uint8_t *data, size_t size)
{
    struct memory_reader reader = memory_reader_image(data, 0, size);
    struct symbol_table table;
    uint8_t build_id[BUILD_ID_LIMIT];
    if (symbol_table_of_file(&reader, &table))
        search(&table);
    check_build_id(symbol_file_build_id(&reader, build_id));
}

static void read_as_module(const uint8_t *data, size_t size)
{
    struct memory_reader reader = memory_reader_image(data, IMAGE, size);
    struct module module = {.map_start = IMAGE, .map_end = IMAGE + size, .load_bias = IMAGE};
    struct symbol_table table;
    uint8_t build_id[BUILD_ID_LIMIT];
    if (symbol_table_of_module(&reader, &module, &table))
        search(&table);
    check_build_id(module_build_id(&reader, &module, build_id));
    module_has_code_at(&reader, &module, IMAGE + 0x200);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as_file(data, size);
    read_as_module(data, size);
    return 0;
}
