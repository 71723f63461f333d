// SPDX-License-Identifier: MIT
/*
 * clone(2) onto a stack of the caller's making, without libc.
 *
 * On x86_64 and aarch64 alike the child continues after the call with the new stack, so both sides
 * must be one piece of assembler.
 */
#ifndef PIPESHIM_BASE_CLONE_ON_STACK_H
#define PIPESHIM_BASE_CLONE_ON_STACK_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/address_sanitizer.h"
#include "base/raw_syscall.h"

enum { SMALLEST_NEW_STACK = 60 * 1024 };

/* The child runs `entry` on the stack that ends at `stack_top` (16-byte aligned, 60 KiB below it
 * are its own) and exits (as a thread, or as a process: by `flags`) with what that returns. `tid`:
 * for CLONE_PARENT_SETTID and CLONE_CHILD_CLEARTID; `tls`: for CLONE_SETTLS. Returns the child's
 * tid, or -errno. Never inlined: the child's frame begins here.
 */
static __attribute__((noinline, unused)) long clone_on_stack(unsigned long flags, void *stack_top,
                                                             _Atomic int32_t *tid, void *tls,
                                                             int (*entry)(void))
{
    stack_begins_anew((char *)stack_top - SMALLEST_NEW_STACK, SMALLEST_NEW_STACK);
#if defined(__x86_64__)
    register long r10 __asm__("r10") = (long)tid; /* CLONE_CHILD_CLEARTID */
    register long r8 __asm__("r8") = (long)tls;
    register long r9 __asm__("r9") = (long)entry;
    long result;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "call *%%r9\n\t"
                     "mov %%eax, %%edi\n\t"
                     "mov %[exit], %%eax\n\t"
                     "syscall\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "a"((long)SYS_clone), "D"(flags), "S"(stack_top), "d"(tid), "r"(r10),
                       "r"(r8), "r"(r9), [exit] "i"(SYS_exit)
                     : "rcx", "r11", "memory", "cc");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = SYS_clone;
    register long x0 __asm__("x0") = (long)flags;
    register long x1 __asm__("x1") = (long)stack_top;
    register long x2 __asm__("x2") = (long)tid;
    register long x3 __asm__("x3") = (long)tls;
    register long x4 __asm__("x4") = (long)tid;
    register long x9 __asm__("x9") = (long)entry;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x30, xzr\n\t"
                     "blr x9\n\t"
                     "mov x8, %[exit]\n\t"
                     "svc #0\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x9), [exit] "i"(SYS_exit)
                     : "memory", "cc");
    return x0;
#endif
}

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
