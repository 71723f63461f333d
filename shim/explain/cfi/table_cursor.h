// SPDX-License-Identifier: MIT
/*
 * Reading unwind tables: a place in memory that moves forward, and an end that it never passes.
 *
 * Tables are foreign text. What cannot be read, or would lie past the end, makes the cursor fail;
 * from then on it gives zeros, so that a parser may look once, at its end.
 */
#ifndef PIPESHIM_EXPLAIN_CFI_TABLE_CURSOR_H
#define PIPESHIM_EXPLAIN_CFI_TABLE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/stack_snapshot.h"

/* The memory of the process whose stack was copied. */
struct unwind_memory {
    struct stack_snapshot *snapshot;
    const struct memory_reader *reader;
    bool foreign; /* of another process: what was learnt of this one's tables is of no use */
};

static inline bool unwind_memory_read(const struct unwind_memory *memory, uintptr_t address,
                                      void *to, size_t size)
{
    return stack_snapshot_read(memory->snapshot, memory->reader, address, to, size);
}

enum { CURSOR_WINDOW = 64 };

struct table_cursor {
    const struct unwind_memory *memory;
    uintptr_t at, end;
    bool failed;
    unsigned char window[CURSOR_WINDOW]; /* what was read ahead: */
    uintptr_t window_start;
    size_t window_size;
};

void cursor_begin(struct table_cursor *cursor, const struct unwind_memory *memory, uintptr_t start,
                  uintptr_t end);

uint8_t cursor_u8(struct table_cursor *cursor);
uint16_t cursor_u16(struct table_cursor *cursor);
uint32_t cursor_u32(struct table_cursor *cursor);
uint64_t cursor_u64(struct table_cursor *cursor);
/* LEB128, of at most ten bytes; bits past the 64th are dropped. */
uint64_t cursor_uleb(struct table_cursor *cursor);
int64_t cursor_sleb(struct table_cursor *cursor);
void cursor_skip(struct table_cursor *cursor, uint64_t size);

/* DW_EH_PE_*: how a pointer is written ("Linux Standard Base, Core", 10.5.1). */
enum {
    POINTER_ABSOLUTE = 0x00, /* 8 bytes */
    POINTER_ULEB = 0x01,
    POINTER_UDATA2 = 0x02,
    POINTER_UDATA4 = 0x03,
    POINTER_UDATA8 = 0x04,
    POINTER_SLEB = 0x09,
    POINTER_SDATA2 = 0x0a,
    POINTER_SDATA4 = 0x0b,
    POINTER_SDATA8 = 0x0c,
    POINTER_FORMAT = 0x0f,
    POINTER_PC_RELATIVE = 0x10,
    POINTER_DATA_RELATIVE = 0x30,
    POINTER_APPLICATION = 0x70,
    POINTER_INDIRECT = 0x80,
    POINTER_OMITTED = 0xff,
};

/* A pointer so encoded, `data_base` being what data-relative ones count from (0: there is none
 * here). Fails for other encodings, and for indirect ones: no table of code addresses has those. */
uint64_t cursor_pointer(struct table_cursor *cursor, uint8_t encoding, uintptr_t data_base);

#endif
/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
