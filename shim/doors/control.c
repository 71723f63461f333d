// SPDX-License-Identifier: MIT
/*
 * Calls that the library must act around, because a second thread, or one with other credentials,
 * would change what they do. None of them is measured.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "doors/door.h"
#include "doors/drain_doors.h"
#include "doors/real.h"
#include "drain/drain.h"
#include "process/life.h"
#include "watch/finish.h"
#include "watch/seccomp.h"
#include "watch/thread.h"

/* True if this process is the one whose watchdog `life` describes (not a vfork child). */
static bool watchdog_is_ours(void)
{
    return life_active() && atomic_load(&life->pid) == (int32_t)raw_syscall(SYS_getpid);
}

static void stop_watchdog(void)
{
    if (watchdog_is_ours())
        watchdog_thread_stop(false);
}

/* unshare(CLONE_NEWUSER) and its kin fail with EINVAL in a process with two threads; Firefox's and
 * Chromium's sandboxes depend on it. A mount namespace cannot be entered while CLONE_FS shares the
 * root and the working directory (setns(2)). */
DOOR(int, unshare, (int flags))
{
    BOUND(unshare);
    if (flags & (CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS | CLONE_NEWNS))
        stop_watchdog();
    return real_unshare(flags);
}

/* Credentials are a thread's own to the kernel, and glibc's broadcast (setxid) reaches only threads
 * that glibc made: a watchdog left running would keep root in a process that has given it up. */
#define STOPPING(type, name, parameters, arguments)                                                \
    DOOR(type, name, parameters)                                                                   \
    {                                                                                              \
        BOUND(name);                                                                               \
        stop_watchdog();                                                                           \
        return real_##name arguments;                                                              \
    }

STOPPING(int, setns, (int fd, int type), (fd, type))
STOPPING(int, setuid, (uid_t uid), (uid))
STOPPING(int, setgid, (gid_t gid), (gid))
STOPPING(int, seteuid, (uid_t uid), (uid))
STOPPING(int, setegid, (gid_t gid), (gid))
STOPPING(int, setreuid, (uid_t real, uid_t effective), (real, effective))
STOPPING(int, setregid, (gid_t real, gid_t effective), (real, effective))
STOPPING(int, setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved))
STOPPING(int, setresgid, (gid_t real, gid_t effective, gid_t saved), (real, effective, saved))
STOPPING(int, setgroups, (size_t count, const gid_t *list), (count, list))
STOPPING(int, initgroups, (const char *user, gid_t group), (user, group))
STOPPING(int, capset, (void *header, const void *data), (header, data))

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
    if (option == PR_SET_TSC && a == PR_TSC_SIGSEGV)
        ticks_are_forbidden = true;
    if (option == PR_SET_SECCOMP)
        before_filter(a == SECCOMP_MODE_FILTER ? (const struct sock_fprog *)b : NULL);
    return real_prctl(option, a, b, c, d);
}

/* libseccomp installs its filters through syscall(SYS_seccomp, …): called by the assembler below
 * for that number only. */
__attribute__((used, visibility("hidden"))) void syscall_before_seccomp(long number,
                                                                        unsigned long operation,
                                                                        unsigned long flags,
                                                                        const void *program)
{
    (void)number;
    (void)flags;
    if (operation == SECCOMP_SET_MODE_STRICT)
        before_filter(NULL);
    else if (operation == SECCOMP_SET_MODE_FILTER)
        before_filter(program);
}

/* The first call of syscall() binds it. */
__attribute__((used, visibility("hidden"))) void syscall_bind(void)
{
    BOUND(syscall);
}

/*
 * syscall(2) takes any number of arguments, and may return twice (vfork): so this is a jump to the
 * real one, not a call, and no argument register is touched on the way. Allocators and runtimes
 * call it often; the way through is a compare and two tests.
 */
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        "    .cfi_startproc\n"
        "    cmp $317, %rdi\n" /* SYS_seccomp */
        "    je 1f\n"
        "    cmpb $0, drain_enabled(%rip)\n"
        "    jne 4f\n"
        "    mov real_syscall(%rip), %rax\n"
        "    test %rax, %rax\n"
        "    jz 2f\n"
        "    jmp *%rax\n"
        "1:  lea syscall_before_seccomp(%rip), %rax\n"
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
_Static_assert(SYS_seccomp == 317, "the assembler above compares with this number");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, %function\n"
        "syscall:\n"
        "    .cfi_startproc\n"
        "    cmp x0, #277\n" /* SYS_seccomp */
        "    b.eq 1f\n"
        "    adrp x16, drain_enabled\n"
        "    ldrb w16, [x16, :lo12:drain_enabled]\n"
        "    cbnz w16, 4f\n"
        "    adrp x16, real_syscall\n"
        "    ldr x16, [x16, :lo12:real_syscall]\n"
        "    cbz x16, 2f\n"
        "    br x16\n"
        "1:  adrp x16, syscall_before_seccomp\n"
        "    add x16, x16, :lo12:syscall_before_seccomp\n"
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
_Static_assert(SYS_seccomp == 277, "the assembler above compares with this number");
#endif

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
