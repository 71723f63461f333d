// SPDX-License-Identifier: MIT
#include "explain/called_function.h"

#include <string.h>

#include "explain/return_address.h"

#if defined(__x86_64__)

/* The word that `FF /modrm` at `code` reads its target from; `next` is the next instruction. */
static uintptr_t word_of_indirect(const unsigned char *code, uintptr_t next)
{
    int32_t distance;
    memcpy(&distance, code + 2, sizeof(distance));
    return next + (uintptr_t)(intptr_t)distance;
}

/* A stub is [endbr64] [bnd] jmp *word(%rip). */
static bool word_of_stub(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                         uintptr_t stub, uintptr_t *word)
{
    static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    unsigned char code[11];
    unsigned at = 0;
    if (!stack_snapshot_read(snapshot, reader, stub, code, sizeof(code)))
        return false;
    if (memcmp(code, endbr64, sizeof(endbr64)) == 0)
        at = sizeof(endbr64);
    if (code[at] == 0xf2) /* bnd */
        at++;
    if (code[at] != 0xff || code[at + 1] != 0x25)
        return false;
    *word = word_of_indirect(code + at, stub + at + 6);
    return true;
}

/* call *word(%rip): what -fno-plt makes. */
static bool word_of_call(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                         uintptr_t return_address, uintptr_t *word)
{
    unsigned char code[6];
    if (!stack_snapshot_read(snapshot, reader, return_address - sizeof(code), code, sizeof(code)) ||
        code[0] != 0xff || code[1] != 0x15)
        return false;
    *word = word_of_indirect(code, return_address);
    return true;
}

#elif defined(__aarch64__)

/* A stub is [bti c] adrp x16, page; ldr x17, [x16, #offset]; … br x17. */
static bool word_of_stub(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                         uintptr_t stub, uintptr_t *word)
{
    uint32_t code[3];
    if (!stack_snapshot_read(snapshot, reader, stub, code, sizeof(code)))
        return false;
    unsigned at = code[0] == 0xd503245f ? 1 : 0; /* bti c */
    uint32_t page = code[at], load = code[at + 1];
    if ((page & 0x9f00001f) != 0x90000010 || (load & 0xffc003ff) != 0xf9400211)
        return false;
    uint32_t pages = (page >> 5 & 0x7ffff) << 2 | (page >> 29 & 3);
    intptr_t distance = (intptr_t)((int32_t)(pages << 11) >> 11) * 4096; /* 21 bits, signed */
    uintptr_t base = (stub + at * 4) & ~(uintptr_t)4095;
    *word = base + (uintptr_t)distance + (load >> 10 & 0xfff) * 8;
    return true;
}

static bool word_of_call(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                         uintptr_t return_address, uintptr_t *word)
{
    (void)snapshot, (void)reader, (void)return_address, (void)word;
    return false; /* -fno-plt calls through a register here */
}

#endif

bool called_function(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                     uintptr_t return_address, uintptr_t *function)
{
    uintptr_t word;
    if (word_of_call(snapshot, reader, return_address, &word))
        return stack_snapshot_read(snapshot, reader, word, function, sizeof(*function));
    if (!direct_call_target(snapshot, reader, return_address, function))
        return false;
    if (word_of_stub(snapshot, reader, *function, &word))
        return stack_snapshot_read(snapshot, reader, word, function, sizeof(*function));
    return true;
}
