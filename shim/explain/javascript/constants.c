// SPDX-License-Identifier: MIT
#include "explain/javascript/constants.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>

enum {
    SYMBOL_BLOCK = 256,
    SYMBOL_LIMIT = 1 << 20,
    NAME_LIMIT = 128, /* the longest published name has 85 bytes */
};

static const char prefix[] = "v8dbg_";
static const char frame_type_prefix[] = "frametype_";

/* Where a constant goes, and whether all depends on it. */
static const struct {
    uint16_t offset;
    bool needed;
    char name[72]; /* not a pointer: see config/setting_table.h */
} rows[] = {
#define CONSTANT(field, name) {offsetof(struct v8_constants, field), true, name},
#define OPTIONAL(field, name) {offsetof(struct v8_constants, field), false, name},
#include "explain/javascript/constants.def"
#undef CONSTANT
#undef OPTIONAL
};

enum { ROWS = sizeof rows / sizeof *rows };

static int32_t *slot(struct v8_constants *constants, unsigned row)
{
    return (int32_t *)((char *)constants + rows[row].offset);
}

/* "class_Map__instance_type" is the start of "class_Map__instance_type__uint16_t", not of
 * "class_Map__instance_type_x". */
static bool is_name(const char *found, const char *name)
{
    size_t length = strlen(name);
    return strncmp(found, name, length) == 0 &&
           (found[length] == '\0' || strncmp(found + length, "__", 2) == 0);
}

static void take(struct v8_constants *constants, const char *name, int32_t value)
{
    if (strncmp(name, frame_type_prefix, sizeof frame_type_prefix - 1) == 0 && value >= 0 &&
        value < 64)
        constants->frame_types |= 1ULL << value;
    for (unsigned row = 0; row < ROWS; row++)
        if (is_name(name, rows[row].name))
            *slot(constants, row) = value;
}

/* The table of dynamic symbols has no length of its own: it ends before whichever of the tables
 * that linkers put after it comes first. What lies beyond its end has no such name. */
static uint64_t symbol_count(const struct elf_symbols *symbols)
{
    const uintptr_t others[] = {symbols->strings, symbols->gnu_hash, symbols->hash};
    uintptr_t end = symbols->symbols + (uintptr_t)SYMBOL_LIMIT * sizeof(Elf64_Sym);
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i] > symbols->symbols && others[i] < end)
            end = others[i];
    return (end - symbols->symbols) / sizeof(Elf64_Sym);
}

static void take_symbol(const struct memory_reader *reader, const struct elf_symbols *symbols,
                        const Elf64_Sym *symbol, struct v8_constants *constants)
{
    char name[NAME_LIMIT];
    int32_t value;
    if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_size != sizeof value ||
        symbol->st_shndx == SHN_UNDEF)
        return;
    if (memory_read_string(reader, symbols->strings + symbol->st_name, name, sizeof name) &&
        strncmp(name, prefix, sizeof prefix - 1) == 0 &&
        memory_read(reader, symbols->bias + symbol->st_value, &value, sizeof value))
        take(constants, name + sizeof prefix - 1, value);
}

bool v8_constants_read(const struct memory_reader *reader, const struct elf_symbols *symbols,
                       struct v8_constants *constants)
{
    Elf64_Sym block[SYMBOL_BLOCK];
    for (unsigned row = 0; row < ROWS; row++)
        *slot(constants, row) = V8_ABSENT;
    constants->frame_types = 0;
    uint64_t count = symbol_count(symbols);
    for (uint64_t i = 0; i < count; i += SYMBOL_BLOCK) {
        uint64_t here = count - i < SYMBOL_BLOCK ? count - i : SYMBOL_BLOCK;
        if (!memory_read(reader, symbols->symbols + i * sizeof *block, block, here * sizeof *block))
            break;
        for (uint64_t j = 0; j < here; j++)
            take_symbol(reader, symbols, &block[j], constants);
    }
    for (unsigned row = 0; row < ROWS; row++)
        if (rows[row].needed && *slot(constants, row) == V8_ABSENT)
            return false;
    return true;
}
