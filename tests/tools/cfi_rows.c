// SPDX-License-Identifier: MIT
/*
 * Prints every row of the unwind tables of ELF files, as explain/cfi understands them, to be
 * compared with `readelf --debug-dump=frames-interp`:
 *   cfi_rows FILE
 * A line for each row: where it begins to hold, the canonical frame address, register=rule.
 */
#include <stdio.h>

#include "elf_image.h"
#include "explain/cfi/cfi_program.h"

static struct stack_snapshot snapshot;
static struct elf_image image;
static struct unwind_tables tables;
static struct memory_reader reader;
static const struct unwind_memory memory = {.snapshot = &snapshot, .reader = &reader};

static void print_rule(unsigned number, enum cfi_rule rule, long value)
{
    switch (rule) {
    case CFI_UNSPECIFIED:
        break;
    case CFI_UNDEFINED:
        printf(" %u=u", number);
        break;
    case CFI_SAME:
        printf(" %u=s", number);
        break;
    case CFI_OFFSET:
        printf(" %u=c%+ld", number, value);
        break;
    case CFI_VAL_OFFSET:
        printf(" %u=v%+ld", number, value);
        break;
    case CFI_REGISTER:
        printf(" %u=%ld", number, value);
        break;
    case CFI_EXPRESSION:
        printf(" %u=exp", number);
        break;
    case CFI_VAL_EXPRESSION:
        printf(" %u=vexp", number);
        break;
    }
}

static void print_entry(const struct frame_entry *entry)
{
    struct cfi_row row;
    for (uintptr_t pc = entry->start; pc < entry->end; pc = row.end) {
        stack_snapshot_begin(&snapshot);
        printf("%lx", (unsigned long)(pc - image.load_bias));
        if (!cfi_row_at(&memory, entry, pc, &row) || row.end <= pc) {
            printf(" broken\n");
            return;
        }
        if (row.cfa_expression != 0)
            printf(" exp");
        else
            printf(" %lu%+ld", (unsigned long)row.cfa_register, (long)row.cfa_offset);
        for (unsigned i = 0; i < CFI_REGISTERS; i++)
            print_rule(i, (enum cfi_rule)row.rule[i], (long)row.value[i]);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    if (argc != 2 || !elf_image_map(argv[1], &image) || image.eh_frame_hdr == 0) {
        fprintf(stderr, "cfi_rows: expected one ELF file with .eh_frame_hdr\n");
        return 1;
    }
    reader = memory_reader_image(image.memory, (uintptr_t)image.memory, image.size);
    tables = (struct unwind_tables){.low = (uintptr_t)image.memory,
                                    .high = (uintptr_t)image.memory + image.size,
                                    .eh_frame_hdr = image.eh_frame_hdr};
    struct table_cursor cursor;
    cursor_begin(&cursor, &memory, tables.eh_frame_hdr, tables.high);
    cursor_u8(&cursor);
    uint8_t encoding = cursor_u8(&cursor);
    cursor_u16(&cursor);
    uintptr_t next;
    for (uintptr_t at = cursor_pointer(&cursor, encoding, tables.eh_frame_hdr);; at = next) {
        struct frame_entry entry;
        stack_snapshot_begin(&snapshot);
        enum frame_entry_kind kind = frame_entry_read(&memory, &tables, at, &entry, &next);
        if (kind == FRAME_ENTRY_CODE)
            print_entry(&entry);
        else if (kind != FRAME_ENTRY_COMMON)
            return 0;
    }
}
