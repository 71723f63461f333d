// SPDX-License-Identifier: MIT
/*
 * The registers of one frame, by the numbers that DWARF gives them in the architecture's ABI:
 * "System V ABI, AMD64 supplement", figure 3.36; "DWARF for the Arm 64-bit Architecture", 4.1.
 */
#ifndef PIPESHIM_EXPLAIN_CFI_REGISTERS_H
#define PIPESHIM_EXPLAIN_CFI_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/stack.h"

#if defined(__x86_64__)
enum {
    CFI_RBX = 3,
    CFI_FP = 6, /* rbp */
    CFI_SP = 7,
    CFI_R12 = 12,
    CFI_PC = 16, /* the return address' column, too */
    CFI_REGISTERS,
    CFI_CODE_UNIT = 1, /* a return address less this lies in the call instruction */
};
/* What a function leaves as it found it: rbx, rbp, rsp, r12 to r15. */
static const uint64_t cfi_callee_saved =
    1ULL << CFI_RBX | 1ULL << CFI_FP | 1ULL << CFI_SP | 15ULL << CFI_R12;
#elif defined(__aarch64__)
enum {
    CFI_X19 = 19,
    CFI_FP = 29,
    CFI_LR = 30,
    CFI_SP = 31,
    CFI_PC = 32,
    CFI_REGISTERS,
    CFI_CODE_UNIT = 4,
};
/* x19 to x30 and sp. x30 is the caller's business, but a leaf function leaves it alone, and that is
 * how its return address is found. */
static const uint64_t cfi_callee_saved = 0xfffULL << CFI_X19 | 1ULL << CFI_SP;
#endif

struct cfi_registers {
    uint64_t value[CFI_REGISTERS];
    uint64_t known; /* bit n: value[n] is */
};

static inline bool cfi_is_known(const struct cfi_registers *registers, uint64_t number)
{
    return number < CFI_REGISTERS && (registers->known >> number & 1) != 0;
}

static inline void cfi_set(struct cfi_registers *registers, unsigned number, uint64_t value)
{
    registers->value[number] = value;
    registers->known |= 1ULL << number;
}

/* Those that a thread saved before it blocked, as far as they are known. */
void cfi_registers_load(struct cfi_registers *registers, const struct saved_registers *from,
                        enum registers_known known);

/* The return address without the signature that pointer authentication puts into its upper bits:
 * a no-op where there is none. Of an address of this process only. */
uint64_t cfi_strip_signature(uint64_t address);

#endif
/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
