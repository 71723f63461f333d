// SPDX-License-Identifier: MIT
#include "explain/cfi/frame_entry.h"

enum { AUGMENTATION_LIMIT = 16 };

/* A cursor over the bytes after the length at `address`; false: that length cannot be true. */
static bool begin_entry(const struct unwind_memory *memory, const struct unwind_tables *tables,
                        uintptr_t address, struct table_cursor *cursor)
{
    if (address < tables->low || address >= tables->high)
        return false;
    cursor_begin(cursor, memory, address, tables->high);
    uint64_t length = cursor_u32(cursor);
    if (length == 0xffffffff)
        length = cursor_u64(cursor);
    if (cursor->failed || length > cursor->end - cursor->at)
        return false;
    cursor->end = cursor->at + length;
    return true;
}

/* What the letters of the augmentation tell, but for `z` itself. */
static void read_augmentation(struct table_cursor *cursor, const char *letters,
                              struct frame_entry *entry)
{
    for (; *letters != '\0'; letters++) {
        switch (*letters) {
        case 'R':
            entry->pointer_encoding = cursor_u8(cursor);
            break;
        case 'P': /* the personality routine; its pointer is often an indirect one */
            cursor_pointer(cursor, cursor_u8(cursor) & POINTER_FORMAT, 0);
            break;
        case 'L':
            cursor_u8(cursor);
            break;
        case 'S':
            entry->signal_frame = true;
            break;
        case 'B': /* aarch64: the return address is signed with the other key */
        case 'G': /* aarch64: memory tagging */
            break;
        default: /* unknown, as all that follow; the length leads past them */
            return;
        }
    }
}

/* The CIE at `address`. */
static bool read_common(const struct unwind_memory *memory, const struct unwind_tables *tables,
                        uintptr_t address, struct frame_entry *entry, bool *has_size)
{
    struct table_cursor cursor;
    if (!begin_entry(memory, tables, address, &cursor) || cursor_u32(&cursor) != 0)
        return false;
    uint8_t version = cursor_u8(&cursor);
    if (version != 1 && version != 3)
        return false;
    char letters[AUGMENTATION_LIMIT];
    unsigned count = 0;
    while ((letters[count] = (char)cursor_u8(&cursor)) != '\0')
        if (++count == AUGMENTATION_LIMIT)
            return false;
    if (letters[0] == 'e' && letters[1] == 'h') /* gcc 2: a pointer to its own tables */
        cursor_u64(&cursor);
    else if (letters[0] != 'z' && letters[0] != '\0')
        return false;
    entry->code_factor = cursor_uleb(&cursor);
    entry->data_factor = cursor_sleb(&cursor);
    entry->return_column = version == 1 ? cursor_u8(&cursor) : cursor_uleb(&cursor);
    entry->pointer_encoding = POINTER_ABSOLUTE;
    entry->signal_frame = false;
    *has_size = letters[0] == 'z';
    entry->common = cursor.at;
    if (*has_size) {
        uint64_t size = cursor_uleb(&cursor);
        struct table_cursor augmentation = cursor;
        cursor_skip(&cursor, size);
        entry->common = cursor.at;
        augmentation.end = cursor.at;
        read_augmentation(&augmentation, letters + 1, entry);
        cursor.failed = cursor.failed || augmentation.failed;
    }
    entry->common_end = cursor.end;
    return !cursor.failed;
}

/* The rest of the FDE whose reference to its CIE was just read. */
static bool read_code(const struct unwind_memory *memory, const struct unwind_tables *tables,
                      struct table_cursor *cursor, uintptr_t common, struct frame_entry *entry)
{
    bool has_size;
    if (!read_common(memory, tables, common, entry, &has_size))
        return false;
    entry->start = cursor_pointer(cursor, entry->pointer_encoding, 0);
    uint64_t size = cursor_pointer(cursor, entry->pointer_encoding & POINTER_FORMAT, 0);
    if (size == 0 || size > UINTPTR_MAX - entry->start)
        return false;
    entry->end = entry->start + size;
    if (has_size)
        cursor_skip(cursor, cursor_uleb(cursor));
    entry->own = cursor->at;
    entry->own_end = cursor->end;
    entry->limit = tables->high;
    return !cursor->failed;
}

enum frame_entry_kind frame_entry_read(const struct unwind_memory *memory,
                                       const struct unwind_tables *tables, uintptr_t address,
                                       struct frame_entry *entry, uintptr_t *next)
{
    struct table_cursor cursor;
    if (!begin_entry(memory, tables, address, &cursor))
        return FRAME_ENTRY_BROKEN;
    if (cursor.at == cursor.end)
        return FRAME_ENTRY_LAST;
    *next = cursor.end;
    uintptr_t place = cursor.at;
    uint32_t distance = cursor_u32(&cursor);
    if (distance == 0 || distance > place - tables->low)
        return cursor.failed ? FRAME_ENTRY_BROKEN : FRAME_ENTRY_COMMON;
    return read_code(memory, tables, &cursor, place - distance, entry) ? FRAME_ENTRY_CODE
                                                                       : FRAME_ENTRY_COMMON;
}
