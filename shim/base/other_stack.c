// SPDX-License-Identifier: MIT
#include "base/other_stack.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/address_sanitizer.h"
#include "base/raw_syscall.h"
#include "base/valgrind.h"

enum {
    GUARD_SIZE = 64 * 1024, /* a multiple of every page size in use */
    STACK_SIZE = 128 * 1024,
};

/* Calls function(argument) with the stack pointer at `top`. Unwinders find their way through it by
 * the frame pointer. */
void call_on_stack(void (*function)(void *), void *argument, void *top)
    __attribute__((visibility("hidden")));

#if defined(__x86_64__)
__asm__(".pushsection .text\n"
        ".globl call_on_stack\n"
        ".hidden call_on_stack\n"
        ".type call_on_stack, @function\n"
        "call_on_stack:\n"
        "    .cfi_startproc\n"
        "    push %rbp\n"
        "    .cfi_def_cfa_offset 16\n"
        "    .cfi_offset %rbp, -16\n"
        "    mov %rsp, %rbp\n"
        "    .cfi_def_cfa_register %rbp\n"
        "    mov %rdx, %rsp\n"
        "    mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    call *%rax\n"
        "    mov %rbp, %rsp\n"
        "    pop %rbp\n"
        "    .cfi_def_cfa %rsp, 8\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size call_on_stack, . - call_on_stack\n"
        ".popsection\n");
#elif defined(__aarch64__)
__asm__(".pushsection .text\n"
        ".globl call_on_stack\n"
        ".hidden call_on_stack\n"
        ".type call_on_stack, %function\n"
        "call_on_stack:\n"
        "    .cfi_startproc\n"
        "    stp x29, x30, [sp, #-16]!\n"
        "    .cfi_def_cfa_offset 16\n"
        "    .cfi_offset 29, -16\n"
        "    .cfi_offset 30, -8\n"
        "    mov x29, sp\n"
        "    .cfi_def_cfa_register 29\n"
        "    mov sp, x2\n"
        "    mov x3, x0\n"
        "    mov x0, x1\n"
        "    blr x3\n"
        "    mov sp, x29\n"
        "    .cfi_def_cfa_register 31\n"
        "    ldp x29, x30, [sp], #16\n"
        "    .cfi_def_cfa_offset 0\n"
        "    .cfi_restore 29\n"
        "    .cfi_restore 30\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size call_on_stack, . - call_on_stack\n"
        ".popsection\n");
#endif

static bool is_on_alternate_stack(void)
{
    stack_t now = {0};
    return raw_syscall(SYS_sigaltstack, 0, &now) == 0 && (now.ss_flags & SS_ONSTACK);
}

void on_other_stack(void (*function)(void *), void *argument)
{
    uint64_t all = ~0ULL;
    uint64_t before = 0;
    if (runs_on_valgrind()) { /* it takes a new stack for a large frame, and says so */
        function(argument);
        return;
    }
    long stack = raw_syscall(SYS_mmap, 0, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack < 0 && stack > -4096) {
        if (!is_on_alternate_stack())
            function(argument);
        return;
    }
    raw_syscall(SYS_mprotect, stack, GUARD_SIZE, PROT_NONE);
    stack_begins_anew((char *)stack + GUARD_SIZE, STACK_SIZE);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    call_on_stack(function, argument, (void *)(stack + GUARD_SIZE + STACK_SIZE));
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    raw_syscall(SYS_munmap, stack, GUARD_SIZE + STACK_SIZE);
}
