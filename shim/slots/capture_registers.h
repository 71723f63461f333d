// SPDX-License-Identifier: MIT
/*
 * Saving one's own registers, so that another thread can unwind this one's stack while it is
 * blocked. About eight stores: getcontext(3) makes a system call, and setjmp(3) of glibc mangles
 * the three registers that matter most.
 */
#ifndef PIPESHIM_SLOTS_CAPTURE_REGISTERS_H
#define PIPESHIM_SLOTS_CAPTURE_REGISTERS_H

#include "facts/stack.h"

/* Stores the callee-saved registers, the stack pointer and an address inside the calling function.
 * They stay true for an unwinder as long as that function's frame lives: the function must not end
 * in a tail call. Async-signal-safe. A macro would do as well; always_inline keeps pc and sp those
 * of the caller. */
static inline __attribute__((always_inline)) void
capture_registers(struct saved_registers *registers)
{
#if defined(__x86_64__)
    __asm__ volatile("leaq 0(%%rip), %%rax\n\t"
                     "movq %%rax, 0(%0)\n\t"
                     "movq %%rsp, 8(%0)\n\t"
                     "movq %%rbp, 16(%0)\n\t"
                     "movq %%rbx, 24(%0)\n\t"
                     "movq %%r12, 32(%0)\n\t"
                     "movq %%r13, 40(%0)\n\t"
                     "movq %%r14, 48(%0)\n\t"
                     "movq %%r15, 56(%0)"
                     :
                     : "r"(registers)
                     : "rax", "memory");
#elif defined(__aarch64__)
    __asm__ volatile("adr x9, .\n\t"
                     "mov x10, sp\n\t"
                     "stp x9, x10, [%0, #0]\n\t"
                     "stp x19, x20, [%0, #16]\n\t"
                     "stp x21, x22, [%0, #32]\n\t"
                     "stp x23, x24, [%0, #48]\n\t"
                     "stp x25, x26, [%0, #64]\n\t"
                     "stp x27, x28, [%0, #80]\n\t"
                     "stp x29, x30, [%0, #96]"
                     :
                     : "r"(registers)
                     : "x9", "x10", "memory");
#endif
}

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
