// SPDX-License-Identifier: MIT
#include "explain/cfi/unwind_modules.h"

#include "explain/cfi/frame_search.h"

static bool search_known(const struct unwind_modules *modules, const struct unwind_memory *memory,
                         uintptr_t pc, struct frame_entry *entry)
{
    unsigned count = modules->count < UNWIND_MODULES ? modules->count : (unsigned)UNWIND_MODULES;
    for (unsigned i = 0; i < count; i++) {
        const struct unwind_tables *tables = &modules->tables[i];
        if (pc >= tables->low && pc < tables->high && frame_search(memory, tables, pc, entry))
            return true;
    }
    return false;
}

bool unwind_modules_search(struct unwind_modules *modules, const struct unwind_memory *memory,
                           uintptr_t pc, struct frame_entry *entry)
{
    /* That an entry covers the address is proof. That none does is not: another object may lie in a
     * gap between the segments of this one. */
    if (search_known(modules, memory, pc, entry))
        return true;
    struct module module;
    if (!module_find(modules->of, memory->reader, pc, &module))
        return false;
    struct unwind_tables *tables = &modules->tables[modules->count++ % UNWIND_MODULES];
    *tables = (struct unwind_tables){
        .low = module.map_start, .high = module.map_end, .eh_frame_hdr = module.eh_frame_hdr};
    return frame_search(memory, tables, pc, entry);
}
