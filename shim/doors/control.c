// SPDX-License-Identifier: MIT
/*
 * Calls that the library must act around, because a second thread, or one with other credentials,
 * would change what they do. None of them is measured.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "doors/door.h"
#include "doors/drain_doors.h"
#include "doors/real.h"
#include "doors/rights_doors.h"
#include "drain/drain.h"
#include "process/life.h"
#include "watch/finish.h"
#include "watch/seccomp.h"
#include "watch/thread.h"

enum {
    SYSCALLS_WATCHED = 512,       /* numbers below this may be; today's end at 470 */
    LANDLOCK_RESTRICT_SELF = 446, /* headers older than Linux 5.13 do not know it */
};

static void before_filter(const struct sock_fprog *filter)
{
    if (drain_enabled && !seccomp_allows_draining(filter))
        drain_doors_stop();
    if (watchdog_is_ours())
        seccomp_filter_coming(filter);
}

DOOR(int, prctl, (int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d))
{
    BOUND(prctl);
    bool held = prctl_changes_rights(option) && hold_watchdog();
    if (option == PR_SET_TSC && a == PR_TSC_SIGSEGV)
        ticks_are_forbidden = true;
    if (option == PR_SET_SECCOMP)
        before_filter(a == SECCOMP_MODE_FILTER ? (const struct sock_fprog *)b : NULL);
    int result = real_prctl(option, a, b, c, d);
    release_watchdog(held);
    return result;
}

/* The kernel calls that the assembler below hands to syscall_before(). libseccomp installs its
 * filters through syscall(), landlock_restrict_self() has no other name in libc, and who wants the
 * credentials of one thread changed calls the kernel like this. */
__attribute__((used, visibility("hidden"))) const uint8_t syscall_watched[SYSCALLS_WATCHED] = {
    [SYS_seccomp] = 1,
    [SYS_setuid] = 1,
    [SYS_setgid] = 1,
    [SYS_setreuid] = 1,
    [SYS_setregid] = 1,
    [SYS_setgroups] = 1,
    [SYS_setresuid] = 1,
    [SYS_setresgid] = 1,
    [SYS_capset] = 1,
    [SYS_prctl] = 1,
    [SYS_unshare] = 1,
    [SYS_setns] = 1,
    [LANDLOCK_RESTRICT_SELF] = 1,
    [SYS_exit] = 1,
};

static void before_seccomp(unsigned long operation, const void *program)
{
    if (operation == SECCOMP_SET_MODE_STRICT)
        before_filter(NULL);
    else if (operation == SECCOMP_SET_MODE_FILTER)
        before_filter(program);
}

__attribute__((used, visibility("hidden"))) void syscall_before(long number, unsigned long a,
                                                                unsigned long b, unsigned long c)
{
    (void)b;
    if (number == SYS_seccomp)
        before_seccomp(a, (const void *)c);
    else if (number == SYS_exit)
        before_raw_exit();
    else if (number == SYS_unshare ? unshare_changes_rights((int)a)
             : number == SYS_prctl ? prctl_changes_rights((int)a)
                                   : true)
        before_raw_change_of_rights(number);
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
        "    cmpb $0, (%rax, %rdi)\n"
        "    jne 1f\n"
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
        "    cbnz w16, 1f\n"
        "5:  adrp x16, drain_enabled\n"
        "    ldrb w16, [x16, :lo12:drain_enabled]\n"
        "    cbnz w16, 4f\n"
        "    adrp x16, real_syscall\n"
        "    ldr x16, [x16, :lo12:real_syscall]\n"
        "    cbz x16, 2f\n"
        "    br x16\n"
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
