// SPDX-License-Identifier: MIT
#include "explain/return_address.h"

#include <string.h>

#if defined(__x86_64__)

enum { LONGEST_CALL = 7 };

/* The length of "FF /2" (call through register or memory) whose bytes start at `code`, without
 * prefixes; 0: it is another instruction. */
static unsigned indirect_call_length(const unsigned char *code)
{
    if (code[0] != 0xff || (code[1] >> 3 & 7) != 2)
        return 0;
    unsigned mode = code[1] >> 6, base = code[1] & 7;
    unsigned sib = mode != 3 && base == 4;
    switch (mode) {
    case 0:
        if (base == 5 || (sib && (code[2] & 7) == 5))
            return 2 + sib + 4;
        return 2 + sib;
    case 1:
        return 2 + sib + 1;
    case 2:
        return 2 + sib + 4;
    default:
        return 2;
    }
}

static bool follows_call(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                         uintptr_t address)
{
    /* One byte more than the longest: the bytes past a shorter one are looked at, not used. */
    unsigned char code[LONGEST_CALL + 3] = {0};
    if (!stack_snapshot_read(snapshot, reader, address - LONGEST_CALL, code, LONGEST_CALL))
        return false;
    if (code[LONGEST_CALL - 5] == 0xe8)
        return true;
    for (unsigned length = 2; length <= LONGEST_CALL; length++) {
        if (indirect_call_length(code + LONGEST_CALL - length) == length)
            return true;
    }
    return false;
}

bool direct_call_target(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                        uintptr_t address, uintptr_t *target)
{
    unsigned char code[5];
    int32_t distance;
    if (!stack_snapshot_read(snapshot, reader, address - 5, code, sizeof(code)) || code[0] != 0xe8)
        return false;
    memcpy(&distance, code + 1, sizeof(distance));
    *target = address + (uintptr_t)(intptr_t)distance;
    return true;
}

bool is_signal_trampoline(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                          uintptr_t pc)
{
    static const unsigned char sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    static const unsigned char shorter[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};
    unsigned char code[sizeof(sigreturn)];
    return stack_snapshot_read(snapshot, reader, pc, code, sizeof(code)) &&
           (memcmp(code, sigreturn, sizeof(sigreturn)) == 0 ||
            memcmp(code, shorter, sizeof(shorter)) == 0);
}

bool is_stack_drop_and_return(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                              uintptr_t pc, uint64_t *size)
{
    unsigned char code[5]; /* add $size,%rsp; ret */
    if (!stack_snapshot_read(snapshot, reader, pc, code, sizeof(code)) || code[0] != 0x48 ||
        code[1] != 0x83 || code[2] != 0xc4 || code[3] > 127 || code[4] != 0xc3)
        return false;
    *size = code[3];
    return true;
}

#elif defined(__aarch64__)

static bool follows_call(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                         uintptr_t address)
{
    uint32_t code;
    if (address % 4 != 0 || !stack_snapshot_read(snapshot, reader, address - 4, &code, 4))
        return false;
    return (code & 0xfc000000) == 0x94000000 || /* BL */
           (code & 0xfffffc1f) == 0xd63f0000 || /* BLR */
           (code & 0xfefff800) == 0xd63f0800;   /* BLRAA and its kin */
}

bool direct_call_target(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                        uintptr_t address, uintptr_t *target)
{
    uint32_t code;
    if (!stack_snapshot_read(snapshot, reader, address - 4, &code, sizeof(code)) ||
        (code & 0xfc000000) != 0x94000000)
        return false;
    int32_t distance = (int32_t)(code << 6) >> 4; /* 26 bits, in instructions */
    *target = address - 4 + (uintptr_t)(intptr_t)distance;
    return true;
}

bool is_signal_trampoline(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                          uintptr_t pc)
{
    static const uint32_t sigreturn[] = {0xd2801168, 0xd4000001}; /* mov x8, #139; svc #0 */
    uint32_t code[2];
    return stack_snapshot_read(snapshot, reader, pc, code, sizeof(code)) &&
           memcmp(code, sigreturn, sizeof(code)) == 0;
}

bool is_stack_drop_and_return(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                              uintptr_t pc, uint64_t *size)
{
    (void)snapshot, (void)reader, (void)pc, (void)size;
    return false;
}

#endif

enum return_address return_address_check(struct stack_snapshot *snapshot,
                                         const struct modules *modules,
                                         const struct memory_reader *reader, uintptr_t address)
{
    /* The first pages are never mapped, and no program's code lies in the upper half. */
    if (address < 65536 || address >> 56 != 0 || !follows_call(snapshot, reader, address))
        return RETURN_ADDRESS_NO;
    struct module module;
    if (!module_find(modules, reader, address - 1, &module))
        return RETURN_ADDRESS_ANONYMOUS;
    return module_has_code_at(reader, &module, address - 1) ? RETURN_ADDRESS_MODULE
                                                            : RETURN_ADDRESS_NO;
}
