// SPDX-License-Identifier: MIT
/*
 * vfork() and clone(): a child that has its parent's memory must not be the one who begins there
 * (watch/late_start.h), for what it would leave were its own process number. So the parent begins
 * first. Both may return twice, or on another stack: each is a jump to the real one, with all
 * registers as they were.
 */
#include "doors/door.h"
#include "doors/real.h"
#include "watch/late_start.h"

__attribute__((used, visibility("hidden"))) void before_vfork(void)
{
    BOUND(vfork);
    late_start();
}

__attribute__((used, visibility("hidden"))) void before_clone(void)
{
    BOUND(clone);
    late_start();
}

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl vfork\n"
        ".type vfork, @function\n"
        "vfork:\n"
        "    .cfi_startproc\n"
        "    sub $8, %rsp\n .cfi_adjust_cfa_offset 8\n"
        "    call before_vfork\n"
        "    add $8, %rsp\n .cfi_adjust_cfa_offset -8\n"
        "    jmp *real_vfork(%rip)\n"
        "    .cfi_endproc\n"
        ".size vfork, .-vfork\n"
        ".globl clone\n"
        ".type clone, @function\n"
        "clone:\n"
        "    .cfi_startproc\n"
        "    push %rdi\n    .cfi_adjust_cfa_offset 8\n"
        "    push %rsi\n    .cfi_adjust_cfa_offset 8\n"
        "    push %rdx\n    .cfi_adjust_cfa_offset 8\n"
        "    push %rcx\n    .cfi_adjust_cfa_offset 8\n"
        "    push %r8\n     .cfi_adjust_cfa_offset 8\n"
        "    push %r9\n     .cfi_adjust_cfa_offset 8\n"
        "    push %rax\n    .cfi_adjust_cfa_offset 8\n"
        "    call before_clone\n"
        "    pop %rax\n     .cfi_adjust_cfa_offset -8\n"
        "    pop %r9\n      .cfi_adjust_cfa_offset -8\n"
        "    pop %r8\n      .cfi_adjust_cfa_offset -8\n"
        "    pop %rcx\n     .cfi_adjust_cfa_offset -8\n"
        "    pop %rdx\n     .cfi_adjust_cfa_offset -8\n"
        "    pop %rsi\n     .cfi_adjust_cfa_offset -8\n"
        "    pop %rdi\n     .cfi_adjust_cfa_offset -8\n"
        "    jmp *real_clone(%rip)\n"
        "    .cfi_endproc\n"
        ".size clone, .-clone\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl vfork\n"
        ".type vfork, %function\n"
        "vfork:\n"
        "    .cfi_startproc\n"
        "    stp x29, x30, [sp, #-16]!\n"
        "    .cfi_adjust_cfa_offset 16\n"
        "    .cfi_rel_offset x29, 0\n"
        "    .cfi_rel_offset x30, 8\n"
        "    bl before_vfork\n"
        "    ldp x29, x30, [sp], #16\n"
        "    .cfi_adjust_cfa_offset -16\n"
        "    .cfi_restore x29\n"
        "    .cfi_restore x30\n"
        "    adrp x16, real_vfork\n"
        "    ldr x16, [x16, :lo12:real_vfork]\n"
        "    br x16\n"
        "    .cfi_endproc\n"
        ".size vfork, .-vfork\n"
        ".globl clone\n"
        ".type clone, %function\n"
        "clone:\n"
        "    .cfi_startproc\n"
        "    stp x29, x30, [sp, #-80]!\n"
        "    .cfi_adjust_cfa_offset 80\n"
        "    .cfi_rel_offset x29, 0\n"
        "    .cfi_rel_offset x30, 8\n"
        "    stp x0, x1, [sp, #16]\n"
        "    stp x2, x3, [sp, #32]\n"
        "    stp x4, x5, [sp, #48]\n"
        "    stp x6, x7, [sp, #64]\n"
        "    bl before_clone\n"
        "    ldp x0, x1, [sp, #16]\n"
        "    ldp x2, x3, [sp, #32]\n"
        "    ldp x4, x5, [sp, #48]\n"
        "    ldp x6, x7, [sp, #64]\n"
        "    ldp x29, x30, [sp], #80\n"
        "    .cfi_adjust_cfa_offset -80\n"
        "    .cfi_restore x29\n"
        "    .cfi_restore x30\n"
        "    adrp x16, real_clone\n"
        "    ldr x16, [x16, :lo12:real_clone]\n"
        "    br x16\n"
        "    .cfi_endproc\n"
        ".size clone, .-clone\n");
#endif
