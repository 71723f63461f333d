// SPDX-License-Identifier: MIT
/*
 * Calls that the library must act around, because a second thread, or one with other credentials,
 * would change what they do. None of them is measured.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/raw_syscall.h"
#include "doors/door.h"
#include "doors/drain_doors.h"
#include "doors/real.h"
#include "doors/rights_doors.h"
#include "doors/sandbox_doors.h"
#include "watch/finish.h"
#include "watch/late_start.h"

enum {
    SYSCALLS_WATCHED = 512,       /* numbers below this may be; today's end at 470 */
    CLONE3 = 435,                 /* since Linux 5.3 */
    LANDLOCK_RESTRICT_SELF = 446, /* headers older than Linux 5.13 do not know it */
};

/* What the assembler below does with a kernel call that comes by syscall(). */
enum {
    AROUND = 2, /* syscall_around() makes the call, and may act before and after it */
    BEFORE = 1, /* syscall_before() is called first */
};

/* libseccomp installs its filters through syscall(), landlock_restrict_self() has no other name in
 * libc, and who wants the credentials of one thread changed calls the kernel like this. */
__attribute__((used, visibility("hidden"))) const uint8_t syscall_watched[SYSCALLS_WATCHED] = {
    [SYS_seccomp] = AROUND,
    [SYS_prctl] = AROUND,
    [SYS_unshare] = AROUND,
    [SYS_setuid] = BEFORE,
    [SYS_setgid] = BEFORE,
    [SYS_setreuid] = BEFORE,
    [SYS_setregid] = BEFORE,
    [SYS_setgroups] = BEFORE,
    [SYS_setresuid] = BEFORE,
    [SYS_setresgid] = BEFORE,
    [SYS_capset] = BEFORE,
    [SYS_setns] = BEFORE,
    [LANDLOCK_RESTRICT_SELF] = BEFORE,
    [SYS_chroot] = BEFORE,
    [SYS_pivot_root] = BEFORE,
    [SYS_clone] = BEFORE,
    [CLONE3] = BEFORE,
#ifdef SYS_vfork
    [SYS_vfork] = BEFORE,
#endif
    [SYS_exit] = BEFORE,
};

__attribute__((used, visibility("hidden"))) long syscall_around(long number, unsigned long a,
                                                                unsigned long b, unsigned long c,
                                                                unsigned long d, unsigned long e)
{
    BOUND(syscall);
    if (number == SYS_seccomp)
        return sandbox_seccomp((unsigned)a, (unsigned)b, (void *)c);
    if (number == SYS_prctl)
        return sandbox_prctl((int)a, b, c, d, e);
    return rights_unshare((int)a);
}

__attribute__((used, visibility("hidden"))) void syscall_before(long number, unsigned long first)
{
    switch (number) {
    case SYS_exit:
        before_raw_exit((int)first);
        break;
    case SYS_chroot:
    case SYS_pivot_root:
    case SYS_clone:
    case CLONE3:
#ifdef SYS_vfork
    case SYS_vfork:
#endif
        late_start();
        break;
    default:
        before_raw_change_of_rights(number);
        break;
    }
}

/* The first call of syscall() binds it. */
__attribute__((used, visibility("hidden"))) void syscall_bind(void)
{
    BOUND(syscall);
}

/*
 * syscall(2) takes any number of arguments, and may return twice (vfork): so this is a jump to the
 * real one, not a call, and no argument register is touched on the way. Allocators and runtimes
 * call it often; the way through is a compare and three tests.
 */
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        "    .cfi_startproc\n"
        "    cmp $512, %rdi\n" /* SYSCALLS_WATCHED */
        "    jae 5f\n"
        "    lea syscall_watched(%rip), %rax\n"
        "    cmpb $1, (%rax, %rdi)\n" /* BEFORE; above it: AROUND */
        "    je 1f\n"
        "    ja syscall_around\n"
        "5:  cmpb $0, drain_enabled(%rip)\n"
        "    jne 4f\n"
        "    mov real_syscall(%rip), %rax\n"
        "    test %rax, %rax\n"
        "    jz 2f\n"
        "    jmp *%rax\n"
        "1:  lea syscall_before(%rip), %rax\n"
        "    jmp 3f\n"
        "4:  lea syscall_before_drained(%rip), %rax\n"
        "    jmp 3f\n"
        "2:  lea syscall_bind(%rip), %rax\n"
        "3:  push %rdi\n    .cfi_adjust_cfa_offset 8\n"
        "    push %rsi\n    .cfi_adjust_cfa_offset 8\n"
        "    push %rdx\n    .cfi_adjust_cfa_offset 8\n"
        "    push %rcx\n    .cfi_adjust_cfa_offset 8\n"
        "    push %r8\n     .cfi_adjust_cfa_offset 8\n"
        "    push %r9\n     .cfi_adjust_cfa_offset 8\n"
        "    sub $8, %rsp\n .cfi_adjust_cfa_offset 8\n"
        "    call *%rax\n"
        "    add $8, %rsp\n .cfi_adjust_cfa_offset -8\n"
        "    pop %r9\n      .cfi_adjust_cfa_offset -8\n"
        "    pop %r8\n      .cfi_adjust_cfa_offset -8\n"
        "    pop %rcx\n     .cfi_adjust_cfa_offset -8\n"
        "    pop %rdx\n     .cfi_adjust_cfa_offset -8\n"
        "    pop %rsi\n     .cfi_adjust_cfa_offset -8\n"
        "    pop %rdi\n     .cfi_adjust_cfa_offset -8\n"
        "    mov real_syscall(%rip), %rax\n"
        "    test %rax, %rax\n"
        "    jz 2b\n"
        "    jmp *%rax\n"
        "    .cfi_endproc\n"
        ".size syscall, .-syscall\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, %function\n"
        "syscall:\n"
        "    .cfi_startproc\n"
        "    cmp x0, #512\n" /* SYSCALLS_WATCHED */
        "    b.hs 5f\n"
        "    adrp x16, syscall_watched\n"
        "    add x16, x16, :lo12:syscall_watched\n"
        "    ldrb w16, [x16, x0]\n"
        "    cmp w16, #1\n" /* BEFORE; above it: AROUND */
        "    b.eq 1f\n"
        "    b.hi 6f\n"
        "5:  adrp x16, drain_enabled\n"
        "    ldrb w16, [x16, :lo12:drain_enabled]\n"
        "    cbnz w16, 4f\n"
        "    adrp x16, real_syscall\n"
        "    ldr x16, [x16, :lo12:real_syscall]\n"
        "    cbz x16, 2f\n"
        "    br x16\n"
        "6:  b syscall_around\n"
        "1:  adrp x16, syscall_before\n"
        "    add x16, x16, :lo12:syscall_before\n"
        "    b 3f\n"
        "4:  adrp x16, syscall_before_drained\n"
        "    add x16, x16, :lo12:syscall_before_drained\n"
        "    b 3f\n"
        "2:  adrp x16, syscall_bind\n"
        "    add x16, x16, :lo12:syscall_bind\n"
        "3:  stp x29, x30, [sp, #-80]!\n"
        "    .cfi_adjust_cfa_offset 80\n"
        "    .cfi_rel_offset x29, 0\n"
        "    .cfi_rel_offset x30, 8\n"
        "    stp x0, x1, [sp, #16]\n"
        "    stp x2, x3, [sp, #32]\n"
        "    stp x4, x5, [sp, #48]\n"
        "    stp x6, x7, [sp, #64]\n"
        "    blr x16\n"
        "    ldp x0, x1, [sp, #16]\n"
        "    ldp x2, x3, [sp, #32]\n"
        "    ldp x4, x5, [sp, #48]\n"
        "    ldp x6, x7, [sp, #64]\n"
        "    ldp x29, x30, [sp], #80\n"
        "    .cfi_adjust_cfa_offset -80\n"
        "    .cfi_restore x29\n"
        "    .cfi_restore x30\n"
        "    adrp x16, real_syscall\n"
        "    ldr x16, [x16, :lo12:real_syscall]\n"
        "    cbz x16, 2b\n"
        "    br x16\n"
        "    .cfi_endproc\n"
        ".size syscall, .-syscall\n");
#endif
_Static_assert(SYSCALLS_WATCHED == 512, "the assembler above compares with this number");

/* multiprocessing's children and many daemons leave through _exit: no destructor would run. */
DOOR(void, _exit, (int status))
{
    drain_doors_finish(true);
    life_finish();
    for (;;)
        raw_syscall(SYS_exit_group, status);
}

DOOR(void, _Exit, (int status))
{
    drain_doors_finish(true);
    life_finish();
    for (;;)
        raw_syscall(SYS_exit_group, status);
}

/* Its handlers may write after this; the drainer lets them wait as well. */
DOOR(void, quick_exit, (int status))
{
    BOUND(quick_exit);
    drain_doors_finish(true);
    life_finish();
    for (;;)
        real_quick_exit(status);
}
