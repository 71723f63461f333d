// SPDX-License-Identifier: MIT
#include "explain/cfi/frame_search.h"

enum {
    HDR_VERSION = 1,
    ROW_SIZE = 8,    /* of the sorted table: where the code starts, where its entry is */
    SCAN_BATCH = 16, /* entries that cost as much as a read of memory */
    HINTS = 512,
};

/* --- Hints --------------------------------------------------------------------------------------
 */

/* child: kept, what they lead to is proven each time */
static struct {
    uintptr_t pc, address;
} hints[HINTS];

static unsigned hint_of(uintptr_t pc)
{
    return (unsigned)((pc * 0x9e3779b97f4a7c15ULL) >> 32) % HINTS;
}

static uintptr_t hint_load(uintptr_t pc)
{
    unsigned i = hint_of(pc);
    uintptr_t address = __atomic_load_n(&hints[i].address, __ATOMIC_RELAXED);
    return __atomic_load_n(&hints[i].pc, __ATOMIC_RELAXED) == pc ? address : 0;
}

static void hint_store(uintptr_t pc, uintptr_t address)
{
    unsigned i = hint_of(pc);
    __atomic_store_n(&hints[i].pc, pc, __ATOMIC_RELAXED);
    __atomic_store_n(&hints[i].address, address, __ATOMIC_RELAXED);
}

/* --- The search ---------------------------------------------------------------------------------
 */

static bool covers(const struct unwind_memory *memory, const struct unwind_tables *tables,
                   uintptr_t address, uintptr_t pc, struct frame_entry *entry)
{
    uintptr_t next;
    return frame_entry_read(memory, tables, address, entry, &next) == FRAME_ENTRY_CODE &&
           pc >= entry->start && pc < entry->end;
}

/* The last of `count` rows at `table` that starts at or below `pc`; its entry's address, 0: none.
 * Both numbers of a row count from the header. */
static uintptr_t search_table(const struct unwind_memory *memory, uintptr_t header, uintptr_t table,
                              uint64_t count, uintptr_t pc)
{
    uint64_t low = 0;
    int32_t row[2], found = 0;
    while (low < count) {
        uint64_t middle = low + (count - low) / 2;
        if (!unwind_memory_read(memory, table + middle * ROW_SIZE, row, sizeof(row)))
            return 0;
        if (header + (uintptr_t)(intptr_t)row[0] <= pc) {
            low = middle + 1;
            found = row[1];
        } else {
            count = middle;
        }
    }
    return low == 0 ? 0 : header + (uintptr_t)(intptr_t)found;
}

static uintptr_t scan(const struct unwind_memory *memory, const struct unwind_tables *tables,
                      uintptr_t eh_frame, uintptr_t pc)
{
    uintptr_t address = eh_frame, next;
    struct frame_entry entry;
    for (unsigned i = 0;; i++, address = next) {
        if (i % SCAN_BATCH == 0 && !stack_snapshot_spend(memory->snapshot, 1))
            return 0;
        switch (frame_entry_read(memory, tables, address, &entry, &next)) {
        case FRAME_ENTRY_BROKEN:
        case FRAME_ENTRY_LAST:
            return 0;
        case FRAME_ENTRY_COMMON:
            break;
        case FRAME_ENTRY_CODE:
            if (pc >= entry.start && pc < entry.end)
                return address;
            break;
        }
    }
}

/* The entry of `pc` by the header; a linker that could not sort leaves out the table, and its
 * length. */
static uintptr_t search(const struct unwind_memory *memory, const struct unwind_tables *tables,
                        uintptr_t pc)
{
    if (tables->eh_frame_hdr == 0)
        return tables->eh_frame == 0 ? 0 : scan(memory, tables, tables->eh_frame, pc);
    uintptr_t header = tables->eh_frame_hdr;
    if (header < tables->low || header >= tables->high)
        return 0;
    struct table_cursor cursor;
    cursor_begin(&cursor, memory, header, tables->high);
    uint8_t version = cursor_u8(&cursor), frame_encoding = cursor_u8(&cursor);
    uint8_t count_encoding = cursor_u8(&cursor), table_encoding = cursor_u8(&cursor);
    uintptr_t eh_frame = cursor_pointer(&cursor, frame_encoding, header);
    if (cursor.failed || version != HDR_VERSION)
        return 0;
    if (count_encoding == POINTER_OMITTED ||
        table_encoding != (POINTER_DATA_RELATIVE | POINTER_SDATA4))
        return scan(memory, tables, eh_frame, pc);
    uint64_t count = cursor_pointer(&cursor, count_encoding, header);
    if (cursor.failed || count > (cursor.end - cursor.at) / ROW_SIZE)
        return 0;
    return search_table(memory, header, cursor.at, count, pc);
}

bool frame_search(const struct unwind_memory *memory, const struct unwind_tables *tables,
                  uintptr_t pc, struct frame_entry *entry)
{
    uintptr_t address = memory->foreign ? 0 : hint_load(pc);
    if (address != 0 && covers(memory, tables, address, pc, entry))
        return true;
    address = search(memory, tables, pc);
    if (address == 0 || !covers(memory, tables, address, pc, entry))
        return false;
    if (!memory->foreign)
        hint_store(pc, address);
    return true;
}
