// SPDX-License-Identifier: MIT
#include "explain/cfi/registers.h"

void cfi_registers_load(struct cfi_registers *registers, const struct saved_registers *from,
                        enum registers_known known)
{
    registers->known = 0;
    cfi_set(registers, CFI_PC, from->pc);
    cfi_set(registers, CFI_SP, from->sp);
    if (known == REGISTERS_PC_SP)
        return;
#if defined(__x86_64__)
    cfi_set(registers, CFI_FP, from->rbp);
    if (known == REGISTERS_PC_SP_FP)
        return;
    cfi_set(registers, CFI_RBX, from->rbx);
    cfi_set(registers, CFI_R12, from->r12);
    cfi_set(registers, CFI_R12 + 1, from->r13);
    cfi_set(registers, CFI_R12 + 2, from->r14);
    cfi_set(registers, CFI_R12 + 3, from->r15);
#elif defined(__aarch64__)
    cfi_set(registers, CFI_FP, from->fp);
    if (known == REGISTERS_PC_SP_FP)
        return;
    for (unsigned i = 0; i < 10; i++)
        cfi_set(registers, CFI_X19 + i, from->x19_to_x28[i]);
    cfi_set(registers, CFI_LR, from->lr);
#endif
}

uint64_t cfi_strip_signature(uint64_t address)
{
#if defined(__aarch64__)
    /* XPACLRI: in the space of hints, so that a processor without pointer authentication does
     * nothing. How many bits are the signature's depends on the kernel; the processor knows. */
    register uint64_t x30 __asm__("x30") = address;
    __asm__("hint #7" : "+r"(x30));
    return x30;
#else
    return address;
#endif
}
