// SPDX-License-Identifier: MIT
#include "explain/symbol_cache.h"

#include <string.h>

enum { PLACES = 256, NAME_SIZE = 96 };

/* child: kept, the child has the same modules at the same places */
static struct entry {
    uint64_t address; /* 0: free */
    uint64_t module;
    uint64_t start;         /* of the symbol, relative as `offset` is */
    char symbol[NAME_SIZE]; /* "": it has none */
} entries[PLACES];

/* FNV-1a, of the build-id and of where the module lies. */
static uint64_t module_of(const struct stack_frame_name *name)
{
    uint64_t hash = 14695981039346656037ULL ^ (name->pc - name->offset);
    for (unsigned i = 0; i < name->build_id_size; i++)
        hash = (hash ^ name->build_id[i]) * 1099511628211ULL;
    return hash;
}

static struct entry *place_of(uint64_t address)
{
    return &entries[(address ^ address >> 12) % PLACES];
}

bool symbol_cache_find(uint64_t address, struct stack_frame_name *name)
{
    const struct entry *entry = place_of(address);
    if (name->build_id_size == 0 || address == 0 || entry->address != address ||
        entry->module != module_of(name))
        return false;
    memcpy(name->symbol, entry->symbol, sizeof entry->symbol);
    name->symbol_offset = entry->symbol[0] ? name->offset - entry->start : 0;
    return true;
}

void symbol_cache_keep(uint64_t address, const struct stack_frame_name *name)
{
    size_t size = strnlen(name->symbol, NAME_SIZE);
    struct entry *entry = place_of(address);
    if (size == NAME_SIZE || name->build_id_size == 0)
        return;
    *entry = (struct entry){address, module_of(name), name->offset - name->symbol_offset, ""};
    memcpy(entry->symbol, name->symbol, size);
}
