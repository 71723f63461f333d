// SPDX-License-Identifier: MIT
#include "explain/cfi/signal_frame.h"

#include <signal.h>
#include <ucontext.h>

#include "explain/return_address.h"

#if defined(__x86_64__)

/* By DWARF's numbers. */
static const uint8_t place[CFI_REGISTERS] = {
    REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
    REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
};

/* The handler's own return address, below the ucontext_t, is popped by then. */
static bool read_registers(const struct unwind_memory *memory, uint64_t sp,
                           struct cfi_registers *registers)
{
    gregset_t saved;
    if (!unwind_memory_read(memory, sp + offsetof(ucontext_t, uc_mcontext.gregs), saved,
                            sizeof(saved)))
        return false;
    for (unsigned i = 0; i < CFI_REGISTERS; i++)
        cfi_set(registers, i, (uint64_t)saved[place[i]]);
    return true;
}

#elif defined(__aarch64__)

static bool read_registers(const struct unwind_memory *memory, uint64_t sp,
                           struct cfi_registers *registers)
{
    /* regs[31], sp and pc follow each other, in DWARF's order. */
    uint64_t saved[CFI_REGISTERS];
    if (!unwind_memory_read(memory, sp + sizeof(siginfo_t) + offsetof(ucontext_t, uc_mcontext.regs),
                            saved, sizeof(saved)))
        return false;
    for (unsigned i = 0; i < CFI_REGISTERS; i++)
        cfi_set(registers, i, saved[i]);
    return true;
}

#endif

bool signal_frame_step(const struct unwind_memory *memory, struct cfi_registers *registers)
{
    return cfi_is_known(registers, CFI_SP) &&
           is_signal_trampoline(memory->snapshot, memory->reader, registers->value[CFI_PC]) &&
           read_registers(memory, registers->value[CFI_SP], registers);
}
