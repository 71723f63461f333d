// SPDX-License-Identifier: MIT
/*
 * System calls without libc.
 *
 * The preloaded library must not call a libc function that it interposes itself (it would record
 * its own calls), must not touch the program's errno, and must work in a thread that libc does not
 * know (watch/thread.c). Everything here is async-signal-safe and returns what the kernel returns:
 * a value, or -errno.
 */
#ifndef PIPESHIM_BASE_RAW_SYSCALL_H
#define PIPESHIM_BASE_RAW_SYSCALL_H

#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long raw_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

static inline long raw_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

#else
#error "libpipeshim knows x86_64 and aarch64"
#endif

#define RAW_SYSCALL_PICK(_0, _1, _2, _3, _4, _5, _6, count, ...) count
#define RAW_SYSCALL_COUNT(...)                                   RAW_SYSCALL_PICK(__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)
#define RAW_SYSCALL_JOIN_(a, b)                                  a##b
#define RAW_SYSCALL_JOIN(a, b)                                   RAW_SYSCALL_JOIN_(a, b)
#define RAW_SYSCALL_0(n)                                         RAW_SYSCALL_ENTER(n, 0, 0, 0, 0, 0, 0)
#define RAW_SYSCALL_1(n, a)                                      RAW_SYSCALL_ENTER(n, (long)(a), 0, 0, 0, 0, 0)
#define RAW_SYSCALL_2(n, a, b)                                   RAW_SYSCALL_ENTER(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define RAW_SYSCALL_3(n, a, b, c)                                RAW_SYSCALL_ENTER(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define RAW_SYSCALL_4(n, a, b, c, d)                                                               \
    RAW_SYSCALL_ENTER(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define RAW_SYSCALL_5(n, a, b, c, d, e)                                                            \
    RAW_SYSCALL_ENTER(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define RAW_SYSCALL_6(n, a, b, c, d, e, f)                                                         \
    RAW_SYSCALL_ENTER(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* In what unit tests link (PIPESHIM_CORE; the preloaded library is compiled without) a test can put
 * something in a call's place, to see what follows when the kernel refuses it, as SQLite's table
 * aSyscall does: tests/support/failing_calls.h, which alone defines this table. */
#ifdef PIPESHIM_CORE
typedef long system_call(long number, long a, long b, long c, long d, long e, long f);
enum { REPLACEABLE_CALLS = 512 };
/* By number; NULL: the kernel's own. */
extern system_call *_Atomic replaced_calls[REPLACEABLE_CALLS] __attribute__((weak));

static inline long replaceable_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    system_call *other = replaced_calls && number >= 0 && number < REPLACEABLE_CALLS
                             ? replaced_calls[number]
                             : (system_call *)0;
    return other ? other(number, a, b, c, d, e, f) : raw_syscall6(number, a, b, c, d, e, f);
}
#define RAW_SYSCALL_ENTER replaceable_syscall6
#else
#define RAW_SYSCALL_ENTER raw_syscall6
#endif

/* raw_syscall(SYS_read, fd, buffer, size): the kernel call of that number with up to 6 arguments.
 */
#ifndef __clang_analyzer__
#define raw_syscall(...) RAW_SYSCALL_JOIN(RAW_SYSCALL_, RAW_SYSCALL_COUNT(__VA_ARGS__))(__VA_ARGS__)
#else
/* The analyzer does not see what the kernel writes: a function that it does not know may write
 * whatever it gets a pointer to. */
long raw_syscall(long number, ...);
#endif

/* Runs on: any. AS-safe: yes. Blocks: as the system call does. */
#endif
