// SPDX-License-Identifier: MIT
#include "watch/thread.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/thread_pointer.h"
#include "process/life.h"
#include "report/tell.h"
#include "slots/slot.h"

enum {
    STACK_SIZE = 256 * 1024,
    GUARD_SIZE = 4096 * 16, /* a multiple of every page size in use (aarch64: up to 64 KiB) */
    /* The creator's struct pthread and the static TLS next to it, as far as they are copied. */
    TCB_BEHIND = 32 * 1024,
    TCB_AHEAD = 4 * 1024,
    TCB_SIZE = TCB_BEHIND + TCB_AHEAD,
    MAPPING_SIZE = GUARD_SIZE + STACK_SIZE + TCB_SIZE,
    /* Of all architectures: each is asked for. */
    SMALLEST_PAGE = 4096,
};

/* The memory outlives the thread: made once in a process, used again by the next one. A forked
 * child inherits the mapping and uses it for its own. */
static char *mapping;
static void (*run)(void); /* what it does; constant once the library is active */

/* Mapped is not enough: behind a thread's stack lies the guard page (PROT_NONE) of the next one. */
static bool page_is_readable(uintptr_t page)
{
    enum { NO_SUCH_OPERATION = -1, KERNEL_SIGNAL_SET_SIZE = 8 };
    /* EFAULT: the kernel cannot read a signal set there. Else EINVAL, and nothing has changed: it
     * reads the set before it looks at the operation (rt_sigprocmask in kernel/signal.c). */
    return raw_syscall(SYS_rt_sigprocmask, NO_SUCH_OPERATION, page, 0, KERNEL_SIGNAL_SET_SIZE) !=
           -EFAULT;
}

/* Copies what is readable around the caller's thread pointer and makes it stand for the new thread.
 */
static void *copy_thread_control_block(char *to)
{
    uintptr_t from = read_thread_pointer();
    char *pointer = to + TCB_BEHIND;
    memset(to, 0, TCB_SIZE);
    /* From the thread pointer outwards, as far as the mapping goes: the block is contiguous. */
    for (uintptr_t low = from; low > from - TCB_BEHIND;) {
        uintptr_t next = (low - 1) & ~(uintptr_t)(SMALLEST_PAGE - 1);
        if (next < from - TCB_BEHIND)
            next = from - TCB_BEHIND;
        if (!page_is_readable(next))
            break;
        memcpy(pointer - (from - next), (const void *)next, low - next);
        low = next;
    }
    for (uintptr_t high = from; high < from + TCB_AHEAD;) {
        uintptr_t next = (high + SMALLEST_PAGE) & ~(uintptr_t)(SMALLEST_PAGE - 1);
        if (next > from + TCB_AHEAD)
            next = from + TCB_AHEAD;
        if (!page_is_readable(high))
            break;
        memcpy(pointer + (high - from), (const void *)high, next - high);
        high = next;
    }
#if defined(__x86_64__)
    ((void **)pointer)[0] = pointer; /* tcb and self of tcbhead_t: what %fs:0 and %fs:16 name */
    ((void **)pointer)[2] = pointer;
#endif
    return pointer;
}

/* The new thread's slot pointer in its copied TLS: the creator's would be written by two threads.
 */
static void forget_creators_slot(char *thread_pointer)
{
    ptrdiff_t offset = (char *)&thread_slot - (char *)read_thread_pointer();
    if (offset > -TCB_BEHIND && offset < TCB_AHEAD)
        *(struct slot **)(thread_pointer + offset) = slot_none();
}

static void take_own_fd_table(void)
{
    /* CLOSE_RANGE_UNSHARE makes a table that lacks the range from the start (Linux 5.9): no fd of
     * the program is ever held twice. Before: unshare, then close what was copied. */
    if (raw_syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE) == 0)
        return;
    if (raw_syscall(SYS_unshare, CLONE_FILES) != 0)
        return;
    for (int fd = 0; fd < 65536; fd++)
        raw_syscall(SYS_close, fd);
}

static int watchdog_entry(void *unused)
{
    (void)unused;
    take_own_fd_table();
    raw_syscall(SYS_prctl, PR_SET_NAME, "pipeshim", 0, 0, 0);
    run();
    return 0;
}

/* clone(2) for a thread: on x86_64 and aarch64 alike the child continues after the call with the
 * new stack, so both sides must be one piece of assembler. Returns the tid or -errno. */
static long clone_thread(unsigned long flags, void *stack_top, _Atomic int32_t *tid, void *tls)
{
#if defined(__x86_64__)
    register long r10 __asm__("r10") = (long)tid; /* CLONE_CHILD_CLEARTID */
    register long r8 __asm__("r8") = (long)tls;
    register long r9 __asm__("r9") = (long)watchdog_entry;
    long result;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "xor %%edi, %%edi\n\t"
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
    register long x9 __asm__("x9") = (long)watchdog_entry;
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

static bool make_mapping(void)
{
    if (mapping)
        return true;
    long made = raw_syscall(SYS_mmap, 0, MAPPING_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    raw_syscall(SYS_mprotect, made, GUARD_SIZE, PROT_NONE);
    mapping = (char *)made;
    return true;
}

static bool clone_watchdog(void)
{
    if (!make_mapping())
        return false;
    char *stack_top = mapping + GUARD_SIZE + STACK_SIZE;
    void *tls = copy_thread_control_block(stack_top);
    forget_creators_slot(tls);

    uint64_t all = ~0ULL;
    uint64_t before = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    atomic_store(&life->stop, 0);
    long tid =
        clone_thread(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                         CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
                     stack_top, &life->watchdog_tid, tls);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    return tid > 0;
}

void watchdog_thread_prepare(void (*function)(void))
{
    run = function;
}

bool watchdog_thread_start(void)
{
    uint32_t none = THREAD_NONE;
    if (!atomic_compare_exchange_strong(&life->thread_state, &none, THREAD_STARTING))
        return none == THREAD_RUNNING || none == THREAD_STARTING;
    bool made = clone_watchdog();
    atomic_store(&life->thread_state, made ? THREAD_RUNNING : THREAD_FORBIDDEN);
    if (!made)
        tell_line("the kernel refused a watchdog thread; expected clone() to be allowed and within "
                  "RLIMIT_NPROC; this process is not watched");
    return made;
}

/* Returns at once when it is gone, and after two seconds in any case: a symbol file on a dead NFS
 * server must not hang the program's setuid(). */
static void sleep_until_gone(int tid)
{
    enum { LONGEST_STOP_S = 2 };
    struct timespec moment = {0, 50L * NS_PER_US};
    uint64_t deadline = clock_monotonic_ns() + (uint64_t)LONGEST_STOP_S * NS_PER_S;
    /* The kernel clears the tid word before it takes the thread out of its group; unshare() counts
     * the group. */
    while (raw_syscall(SYS_tgkill, atomic_load(&life->pid), tid, 0) == 0) {
        if (clock_monotonic_ns() > deadline) {
            tell_line("the watchdog did not stop within 2 s; it goes on as it was");
            return;
        }
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
}

void watchdog_thread_stop(bool for_ever)
{
    uint32_t state = atomic_load(&life->thread_state);
    while (state == THREAD_STARTING || state == THREAD_STOPPING) {
        raw_syscall(SYS_sched_yield);
        state = atomic_load(&life->thread_state);
    }
    uint32_t after = for_ever ? THREAD_FORBIDDEN : THREAD_NONE;
    if (state == THREAD_RUNNING &&
        atomic_compare_exchange_strong(&life->thread_state, &state, THREAD_STOPPING)) {
        int tid = atomic_load(&life->watchdog_tid);
        atomic_store(&life->stop, 1);
        watchdog_thread_wake();
        if (tid != 0)
            sleep_until_gone(tid);
        slots_disarm();
        atomic_store(&life->thread_state, after);
    } else if (for_ever) {
        atomic_store(&life->thread_state, THREAD_FORBIDDEN);
    }
}

void watchdog_thread_wake(void)
{
    atomic_store(&life->wake, 1);
    raw_syscall(SYS_futex, &life->wake, FUTEX_WAKE_PRIVATE, 1);
}
