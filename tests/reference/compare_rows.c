// SPDX-License-Identifier: MIT
/*
 * Executes every row of every entry of ELF files' unwind tables, by explain/cfi and by libunwind,
 * on registers and memory that are made up, and compares the registers that come out:
 *   compare_rows FILE...
 * Prints a line for each file and each difference; the exit status is 1 if there was one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf_image.h"
#include "explain/cfi/cfi_program.h"
#include "explain/cfi/frame_search.h"
#include "explain/cfi/frame_step.h"
#include "libunwind_reference.h"

enum { SHOWN_LIMIT = 20 };

static struct stack_snapshot snapshot;
static struct elf_image image;
static struct unwind_tables tables;

struct tally {
    unsigned entries, rows, callers, outermost, failed, sp_rules, different;
};

/* Of the image what is there, and anywhere else words that are made of their address. */
static size_t read_made_up(const struct memory_reader *reader, uintptr_t address, void *to,
                           size_t size)
{
    (void)reader;
    unsigned char *bytes = to;
    for (size_t i = 0; i < size; i++) {
        uintptr_t at = address + i;
        if (at - tables.low < image.size) {
            size_t left = image.size - (at - tables.low);
            size_t part = size - i < left ? size - i : left;
            memcpy(bytes + i, (const void *)at, part);
            i += part - 1;
        } else {
            uint64_t word = ((at & ~7ULL) ^ 0x5bd1e995) * 0x9e3779b97f4a7c15ULL >> 16 | 1;
            bytes[i] = (unsigned char)(word >> at % 8 * 8);
        }
    }
    return size;
}

static const struct memory_reader reader = {.read = read_made_up};
static const struct unwind_memory memory = {.snapshot = &snapshot, .reader = &reader};

static bool find_tables(const struct reference *reference, uintptr_t pc,
                        struct unwind_tables *found)
{
    (void)reference;
    *found = tables;
    return pc >= tables.low && pc < tables.high;
}

static const struct reference reference = {.memory = &memory, .find_tables = find_tables};

static void make_up_registers(struct cfi_registers *registers, uintptr_t pc)
{
    registers->known = 0;
    for (unsigned i = 0; i < CFI_REGISTERS; i++)
        cfi_set(registers, i, 0x7e0000000000ULL + i * 0x10000000ULL);
    cfi_set(registers, CFI_PC, pc);
}

static bool same_registers(const struct cfi_registers *ours, const struct cfi_registers *theirs,
                           bool sp_too)
{
    for (unsigned i = 0; i < CFI_REGISTERS; i++) {
        bool needed = i == CFI_PC || (cfi_callee_saved >> i & 1) != 0;
        if (i == CFI_SP && !sp_too)
            continue;
        if (cfi_is_known(ours, i) ? !cfi_is_known(theirs, i) || ours->value[i] != theirs->value[i]
                                  : needed && cfi_is_known(theirs, i))
            return false;
    }
    return true;
}

/* longjmp and setcontext say where their caller's stack pointer is: it is not the canonical frame
 * address there. libunwind takes that one nevertheless, but for signal frames. */
static bool has_rule_for_sp(const struct frame_entry *entry, uintptr_t pc)
{
    struct cfi_row row;
    return cfi_row_at(&memory, entry, pc, &row) && row.rule[CFI_SP] != CFI_UNSPECIFIED &&
           row.rule[CFI_SP] != CFI_SAME;
}

static void show(const char *title, int result, const struct cfi_registers *registers)
{
    printf("  %s: %d", title, result);
    for (unsigned i = 0; result == 1 && i < CFI_REGISTERS; i++)
        if (cfi_is_known(registers, i))
            printf(" r%u=%lx", i, (unsigned long)registers->value[i]);
    printf("\n");
}

static int our_step(const struct frame_entry *entry, struct cfi_registers *registers)
{
    int missing;
    switch (frame_step(&memory, entry, true, registers, &missing)) {
    case FRAME_STEP_CALLER:
        return 1;
    case FRAME_STEP_OUTERMOST:
        return 0;
    default:
        return -1;
    }
}

static void compare_row(const char *path, const struct frame_entry *entry, uintptr_t pc,
                        struct tally *tally)
{
    struct cfi_registers from, ours, theirs;
    make_up_registers(&from, pc);
    ours = from;
    int our_result = our_step(entry, &ours);
    int their_result = reference_step(&reference, &from, &theirs);
    tally->rows++;
    tally->callers += our_result == 1;
    tally->outermost += our_result == 0;
    tally->failed += our_result < 0;
    if (our_result == their_result && (our_result != 1 || same_registers(&ours, &theirs, true)))
        return;
    if (our_result == 1 && their_result == 1 && has_rule_for_sp(entry, pc) &&
        same_registers(&ours, &theirs, false)) {
        tally->sp_rules++;
        return;
    }
    if (++tally->different > SHOWN_LIMIT)
        return;
    printf("%s: different at %#lx\n", path, (unsigned long)(pc - image.load_bias));
    show("explain/cfi", our_result, &ours);
    show("libunwind", their_result, &theirs);
}

/* All rows of an entry, which the search must find, too. */
static void compare_entry(const char *path, const struct frame_entry *entry, struct tally *tally)
{
    struct frame_entry found;
    stack_snapshot_begin(&snapshot);
    if (!frame_search(&memory, &tables, entry->start, &found) || found.start != entry->start ||
        found.end != entry->end || found.own != entry->own) {
        printf("%s: the entry of %#lx is not found\n", path,
               (unsigned long)(entry->start - image.load_bias));
        tally->different++;
    }
    tally->entries++;
    for (uintptr_t pc = entry->start; pc < entry->end;) {
        struct cfi_row row;
        stack_snapshot_begin(&snapshot);
        compare_row(path, entry, pc, tally);
        if (!cfi_row_at(&memory, entry, pc, &row) || row.end <= pc)
            break;
        pc = row.end;
    }
}

/* The start of .eh_frame as the header tells it. */
static uintptr_t eh_frame_start(void)
{
    struct table_cursor cursor;
    cursor_begin(&cursor, &memory, tables.eh_frame_hdr, tables.high);
    cursor_u8(&cursor);
    uint8_t encoding = cursor_u8(&cursor);
    cursor_u16(&cursor);
    return cursor_pointer(&cursor, encoding, tables.eh_frame_hdr);
}

static bool compare_file(const char *path)
{
    if (!elf_image_map(path, &image) || image.eh_frame_hdr == 0) {
        printf("%s: expected an ELF file with .eh_frame_hdr\n", path);
        return false;
    }
    tables = (struct unwind_tables){.low = (uintptr_t)image.memory,
                                    .high = (uintptr_t)image.memory + image.size,
                                    .eh_frame_hdr = image.eh_frame_hdr};
    struct tally tally = {0};
    stack_snapshot_begin(&snapshot);
    uintptr_t next;
    for (uintptr_t address = eh_frame_start();; address = next) {
        struct frame_entry entry;
        stack_snapshot_begin(&snapshot);
        enum frame_entry_kind kind = frame_entry_read(&memory, &tables, address, &entry, &next);
        if (kind == FRAME_ENTRY_CODE)
            compare_entry(path, &entry, &tally);
        else if (kind != FRAME_ENTRY_COMMON)
            break;
    }
    printf("%s: %u entries, %u rows: %u callers, %u outermost, %u failed; "
           "%u with a rule for sp that libunwind leaves out; %u different\n",
           path, tally.entries, tally.rows, tally.callers, tally.outermost, tally.failed,
           tally.sp_rules, tally.different);
    elf_image_unmap(&image);
    return tally.entries > 0 && tally.different == 0;
}

int main(int argc, char **argv)
{
    if (!reference_init()) {
        printf("compare_rows: there is no libunwind\n");
        return 2;
    }
    int status = 0;
    for (int i = 1; i < argc; i++)
        if (!compare_file(argv[i]))
            status = 1;
    return status;
}
