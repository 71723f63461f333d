// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are an object's unwind tables, and stacks are unwound by them.
//   make fuzz [FUZZ_SECONDS=60]
// Byte 0 to 7 choose registers; the rest is .eh_frame_hdr at address IMAGE, or .eh_frame, as byte 0
// has it. The initializer puts pieces of libc's .eh_frame into FUZZ_SEEDS.
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain/cfi/cfi_program.h"
#include "explain/cfi/frame_search.h"
#include "explain/cfi/frame_step.h"

enum { IMAGE = 0x10000, CONTROL = 8, SEED_SIZE = 1024, STEPS = 4, ENTRIES = 16 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stack_snapshot snapshot;
static struct memory_reader reader;
static const struct unwind_memory memory = {.snapshot = &snapshot, .reader = &reader};

static void write_seed(const char *folder, const char *name, uint8_t kind, const void *hdr,
                       size_t hdr_size, const void *tables)
{
    static const uint8_t control[CONTROL];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    if (!file)
        exit(1);
    fputc(kind, file);
    fwrite(control, 1, CONTROL - 1, file);
    fwrite(hdr, 1, hdr_size, file);
    fwrite(tables, 1, SEED_SIZE, file);
    fclose(file);
}

/* libc's tables: as they stand without a header, and behind one whose table has one row. */
static int write_seeds(struct dl_phdr_info *info, size_t size, void *folder)
{
    (void)size;
    for (int i = 0; strstr(info->dlpi_name, "libc.so") && i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_GNU_EH_FRAME)
            continue;
        const char *hdr = (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        int32_t distance;
        memcpy(&distance, hdr + 4, sizeof distance);
        const char *tables = hdr + 4 + distance;
        struct {
            uint8_t encodings[4];
            int32_t eh_frame, count, row[2];
        } made = {{1, 0x1b, 0x03, 0x3b}, 16, 1, {0, 20 + 0x18}},
          scanned = {{1, 0x1b, 0xff, 0xff}, 16, 0, {0, 0}};
        write_seed(folder, "plain", 1, "", 0, tables);
        write_seed(folder, "searched", 0, &made, sizeof made, tables);
        write_seed(folder, "scanned", 0, &scanned, sizeof scanned, tables);
        /* The signal trampoline's: all expressions. */
        const char *signal_frame = memmem(tables, 65536, "zRS", 4);
        if (signal_frame)
            write_seed(folder, "expressions", 1, "", 0, signal_frame - 9);
        return 1;
    }
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    char *folder = getenv("FUZZ_SEEDS");
    if (folder)
        dl_iterate_phdr(write_seeds, folder);
    return 0;
}

/* Registers that point into the image, around it, and nowhere. */
static struct cfi_registers make_registers(const uint8_t *control, uint64_t pc)
{
    struct cfi_registers registers = {.known = 0};
    for (unsigned i = 0; i < CFI_REGISTERS; i++)
        if ((control[1 + i % 3] >> i % 8 & 1) == 0)
            cfi_set(&registers, i, IMAGE + control[i % CONTROL] * 8ULL + i * 64ULL);
    cfi_set(&registers, CFI_SP, IMAGE + control[4] * 8ULL);
    cfi_set(&registers, CFI_PC, pc);
    return registers;
}

static void walk(const struct unwind_tables *tables, const uint8_t *control, uint64_t pc)
{
    struct cfi_registers registers = make_registers(control, pc);
    for (unsigned i = 0; i < STEPS; i++) {
        struct frame_entry entry;
        int missing;
        uint64_t at = registers.value[CFI_PC];
        if (!frame_search(&memory, tables, at, &entry))
            return;
        if (at < entry.start || at >= entry.end)
            abort();
        if (frame_step(&memory, &entry, true, &registers, &missing) != FRAME_STEP_CALLER)
            return;
        if (!cfi_is_known(&registers, CFI_PC) || !cfi_is_known(&registers, CFI_SP))
            abort();
    }
}

/* What a search would have to be lucky to come to: every entry, every row. */
static void read_entries(const struct unwind_tables *tables, const uint8_t *control,
                         uintptr_t address)
{
    struct frame_entry entry;
    for (unsigned i = 0; i < ENTRIES; i++) {
        uintptr_t next = 0;
        enum frame_entry_kind kind = frame_entry_read(&memory, tables, address, &entry, &next);
        if (kind == FRAME_ENTRY_BROKEN || kind == FRAME_ENTRY_LAST)
            return;
        if (next <= address || next > tables->high)
            abort();
        if (kind == FRAME_ENTRY_CODE) {
            struct cfi_row row;
            uintptr_t pc = entry.start;
            for (unsigned rows = 0; rows < 8 && pc < entry.end; rows++) {
                walk(tables, control, pc);
                if (!cfi_row_at(&memory, &entry, pc, &row) || row.end <= pc)
                    break;
                pc = row.end;
            }
        }
        address = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CONTROL)
        return 0;
    const uint8_t *control = data;
    data += CONTROL;
    size -= CONTROL;
    reader = memory_reader_image(data, IMAGE, size);
    struct unwind_tables tables = {.low = IMAGE, .high = IMAGE + size};
    if (control[0] & 1)
        tables.eh_frame = IMAGE;
    else
        tables.eh_frame_hdr = IMAGE;
    stack_snapshot_begin(&snapshot);
    walk(&tables, control, IMAGE + control[5] * 256ULL);
    read_entries(&tables, control, IMAGE + (control[0] & 1 ? 0 : 20));
    return 0;
}
