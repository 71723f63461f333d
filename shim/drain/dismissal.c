// SPDX-License-Identifier: MIT
#include "drain/dismissal.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/channel.h"

/* The kernel's own, which libc's hides; the same on x86_64 and aarch64. */
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
enum { HAS_RESTORER = 0x04000000 };

/* libc and the vdso, which have one each, are not mapped in the helper. */
__asm__(".text\n"
        ".type dismissal_return, %function\n"
        "dismissal_return:\n"
#if defined(__x86_64__)
        "    mov $15, %eax\n" /* SYS_rt_sigreturn */
        "    syscall\n"
#elif defined(__aarch64__)
        "    mov x8, #139\n"
        "    svc #0\n"
#endif
        ".size dismissal_return, .-dismissal_return\n");
extern void dismissal_return(void) __attribute__((visibility("hidden")));

static volatile uint64_t dismissed_ns; /* 0: it is not; child: scratch */

/* A call that begins just after the signal would not be interrupted: so the timer does it later. */
static void hear(int number)
{
    enum { AGAIN_US = 200 * 1000 };
    struct itimerval again = {{0, AGAIN_US}, {0, AGAIN_US}};
    if (number != SIGTERM || dismissed_ns != 0)
        return;
    dismissed_ns = clock_monotonic_ns();
    raw_syscall(SYS_setitimer, ITIMER_REAL, &again, 0);
}

void dismissal_begin(void)
{
    struct kernel_sigaction action = {hear, HAS_RESTORER, dismissal_return, ~0ULL};
    uint64_t heard = 1ULL << (SIGTERM - 1) | 1ULL << (SIGALRM - 1);
    dismissed_ns = 0;
    if (raw_syscall(SYS_rt_sigaction, SIGTERM, &action, 0, sizeof action.mask) == 0 &&
        raw_syscall(SYS_rt_sigaction, SIGALRM, &action, 0, sizeof action.mask) == 0)
        raw_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &heard, 0, sizeof heard);
}

bool dismissal_was_heard(void)
{
    return dismissed_ns != 0;
}

static bool lives(pid_t program)
{
    return raw_syscall(SYS_kill, program, 0) != -ESRCH;
}

bool dismissal_is_due(pid_t program, uint64_t progress_ns)
{
    uint64_t since = dismissed_ns > progress_ns ? dismissed_ns : progress_ns;
    return dismissed_ns != 0 && clock_monotonic_ns() - since >= drain_limits.dismissed_ns &&
           !lives(program);
}
