// SPDX-License-Identifier: MIT
#include "explain/cfi/table_cursor.h"

#include <string.h>

void cursor_begin(struct table_cursor *cursor, const struct unwind_memory *memory, uintptr_t start,
                  uintptr_t end)
{
    cursor->memory = memory;
    cursor->at = start;
    cursor->end = end;
    cursor->failed = start > end;
    cursor->window_start = start;
    cursor->window_size = 0;
}

static bool fill_window(struct table_cursor *cursor)
{
    size_t left = cursor->end - cursor->at;
    cursor->window_start = cursor->at;
    cursor->window_size = left < CURSOR_WINDOW ? left : (size_t)CURSOR_WINDOW;
    if (unwind_memory_read(cursor->memory, cursor->at, cursor->window, cursor->window_size))
        return true;
    cursor->window_size = 0;
    return false;
}

/* Makes the window hold the next `size` bytes; false, and failed: they are not to be had. */
static bool fetch(struct table_cursor *cursor, size_t size)
{
    if (!cursor->failed && cursor->end - cursor->at >= size && fill_window(cursor))
        return true;
    cursor->failed = true;
    return false;
}

static inline bool has(const struct table_cursor *cursor, size_t size)
{
    size_t offset = cursor->at - cursor->window_start;
    return !cursor->failed && cursor->end - cursor->at >= size && offset <= cursor->window_size &&
           cursor->window_size - offset >= size;
}

/* Most of the time of an unwind is spent here: sizes are constants, so that no memcpy is called. */
#define TAKE(cursor, type)                                                                         \
    do {                                                                                           \
        type value;                                                                                \
        if (!has(cursor, sizeof(value)) && !fetch(cursor, sizeof(value)))                          \
            return 0;                                                                              \
        memcpy(&value, (cursor)->window + ((cursor)->at - (cursor)->window_start), sizeof(value)); \
        (cursor)->at += sizeof(value);                                                             \
        return value;                                                                              \
    } while (0)

uint8_t cursor_u8(struct table_cursor *cursor)
{
    TAKE(cursor, uint8_t);
}

uint16_t cursor_u16(struct table_cursor *cursor)
{
    TAKE(cursor, uint16_t);
}

uint32_t cursor_u32(struct table_cursor *cursor)
{
    TAKE(cursor, uint32_t);
}

uint64_t cursor_u64(struct table_cursor *cursor)
{
    TAKE(cursor, uint64_t);
}

/* The bits of a LEB128; `*width` becomes their number. */
static uint64_t take_leb(struct table_cursor *cursor, unsigned *width)
{
    uint64_t value = 0;
    for (*width = 0; *width < 70;) {
        uint8_t byte = cursor_u8(cursor);
        if (*width < 64)
            value |= (uint64_t)(byte & 0x7f) << *width;
        *width += 7;
        if ((byte & 0x80) == 0)
            return value;
    }
    cursor->failed = true;
    return 0;
}

uint64_t cursor_uleb(struct table_cursor *cursor)
{
    unsigned width;
    return take_leb(cursor, &width);
}

int64_t cursor_sleb(struct table_cursor *cursor)
{
    unsigned width;
    uint64_t value = take_leb(cursor, &width);
    if (width < 64 && (value >> (width - 1) & 1) != 0)
        value |= ~0ULL << width;
    return (int64_t)value;
}

void cursor_skip(struct table_cursor *cursor, uint64_t size)
{
    if (cursor->failed || cursor->end - cursor->at < size)
        cursor->failed = true;
    else
        cursor->at += size;
}

static uint64_t take_format(struct table_cursor *cursor, uint8_t encoding)
{
    switch (encoding & POINTER_FORMAT) {
    case POINTER_ABSOLUTE:
    case POINTER_UDATA8:
    case POINTER_SDATA8:
        return cursor_u64(cursor);
    case POINTER_ULEB:
        return cursor_uleb(cursor);
    case POINTER_UDATA2:
        return cursor_u16(cursor);
    case POINTER_UDATA4:
        return cursor_u32(cursor);
    case POINTER_SLEB:
        return (uint64_t)cursor_sleb(cursor);
    case POINTER_SDATA2:
        return (uint64_t)(int16_t)cursor_u16(cursor);
    case POINTER_SDATA4:
        return (uint64_t)(int32_t)cursor_u32(cursor);
    default:
        cursor->failed = true;
        return 0;
    }
}

uint64_t cursor_pointer(struct table_cursor *cursor, uint8_t encoding, uintptr_t data_base)
{
    uintptr_t place = cursor->at;
    uint64_t value = take_format(cursor, encoding);
    switch (encoding & (POINTER_APPLICATION | POINTER_INDIRECT)) {
    case 0:
        return value;
    case POINTER_PC_RELATIVE:
        return place + value;
    case POINTER_DATA_RELATIVE:
        cursor->failed = cursor->failed || data_base == 0;
        return data_base + value;
    default:
        cursor->failed = true;
        return 0;
    }
}
