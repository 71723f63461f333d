// SPDX-License-Identifier: MIT
#include "explain/stack_snapshot.h"

#include <string.h>

#include "explain/cfi/registers.h"

enum { READ_LIMIT = 8192 }; /* system calls for one unwind: a few milliseconds at worst */

bool stack_snapshot_take(const struct memory_reader *reader,
                         const struct saved_registers *registers, struct stack_snapshot *snapshot)
{
    snapshot->registers = *registers;
    snapshot->known = REGISTERS_ALL;
    snapshot->pc_returns = false;
    snapshot->has_r9 = false;
    snapshot->start = registers->sp & ~(uintptr_t)7;
    /* A read that runs over the end of the address space would fail as a whole. */
    size_t space = UINTPTR_MAX - snapshot->start;
    snapshot->size = reader->read(reader, snapshot->start, snapshot->bytes,
                                  space < SNAPSHOT_LIMIT ? space : (size_t)SNAPSHOT_LIMIT);
    stack_snapshot_begin(snapshot);
    return snapshot->size > 0;
}

bool stack_snapshot_take_pc_sp(const struct memory_reader *reader, uint64_t pc, uint64_t sp,
                               struct stack_snapshot *snapshot)
{
    struct saved_registers registers = {.pc = pc, .sp = sp};
    bool taken = stack_snapshot_take(reader, &registers, snapshot);
    snapshot->known = REGISTERS_PC_SP;
    return taken;
}

bool stack_snapshot_take_at_entry(const struct memory_reader *reader,
                                  const struct saved_registers *registers,
                                  struct stack_snapshot *snapshot)
{
    bool taken = stack_snapshot_take(reader, registers, snapshot);
#if defined(__x86_64__)
    if (!taken || snapshot->size < sizeof snapshot->registers.pc)
        return false;
    memcpy(&snapshot->registers.pc, snapshot->bytes, sizeof snapshot->registers.pc);
    snapshot->registers.sp += sizeof snapshot->registers.pc;
#elif defined(__aarch64__)
    snapshot->registers.pc = cfi_strip_signature(registers->lr);
#endif
    snapshot->known = REGISTERS_PC_SP_FP;
    snapshot->pc_returns = true;
    return taken;
}

void stack_snapshot_begin(struct stack_snapshot *snapshot)
{
    snapshot->reads = 0;
    for (unsigned i = 0; i < SNAPSHOT_LINES; i++)
        snapshot->line_address[i] = UINTPTR_MAX; /* not a multiple of SNAPSHOT_LINE: none */
}

bool stack_snapshot_spend(struct stack_snapshot *snapshot, unsigned amount)
{
    if (snapshot->reads > READ_LIMIT || amount > READ_LIMIT - snapshot->reads) {
        snapshot->reads = READ_LIMIT;
        return false;
    }
    snapshot->reads += amount;
    return true;
}

static const unsigned char *line_at(struct stack_snapshot *snapshot,
                                    const struct memory_reader *reader, uintptr_t address)
{
    unsigned i = address / SNAPSHOT_LINE % SNAPSHOT_LINES;
    if (snapshot->line_address[i] == address)
        return snapshot->line[i];
    if (!stack_snapshot_spend(snapshot, 1))
        return NULL;
    bool read = memory_read(reader, address, snapshot->line[i], SNAPSHOT_LINE);
    snapshot->line_address[i] = read ? address : UINTPTR_MAX;
    return read ? snapshot->line[i] : NULL;
}

bool stack_snapshot_read(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                         uintptr_t address, void *to, size_t size)
{
    if (address >= snapshot->start && address - snapshot->start < snapshot->size &&
        size <= snapshot->size - (address - snapshot->start)) {
        memcpy(to, snapshot->bytes + (address - snapshot->start), size);
        return true;
    }
    for (unsigned char *at = to; size > 0;) {
        size_t offset = address % SNAPSHOT_LINE;
        const unsigned char *line = line_at(snapshot, reader, address - offset);
        if (line == NULL)
            return false;
        size_t part = SNAPSHOT_LINE - offset < size ? SNAPSHOT_LINE - offset : size;
        memcpy(at, line + offset, part);
        at += part;
        address += part;
        size -= part;
    }
    return true;
}
