// SPDX-License-Identifier: MIT
#include "watch/cpu_timer.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/status.h"
#include "process/life.h"

enum {
    SESSION_LIMIT = 2,
    SAMPLE_PERIOD_NS = 5 * NS_PER_MS,
    STACK_BYTES = 32 * 1024,
    /* The signals that are tried, from the top; runtimes take theirs from the ends (Java 62, glibc
     * 32 and 33, valgrind 64). */
    HIGHEST_SIGNAL = 57,
    LOWEST_SIGNAL = 40,
};

struct session {
    _Atomic int tid; /* 0: free */
    int timer;
    _Atomic uint32_t sequence; /* odd while the handler writes; 0: no sample yet */
    struct saved_registers registers;
    size_t stack_size;
    unsigned char stack[STACK_BYTES];
};

static struct session sessions[SESSION_LIMIT];
static int signal_number; /* 0: no handler is installed; child: kept, handlers are inherited */

/* As the kernel has it (rt_sigaction(2)); libc's sigaction() refuses nothing here but would be the
 * program's if it interposes it. */
struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

#if defined(__x86_64__)
enum { FLAG_RESTORER = 0x04000000 };
/* What libc's own handlers return to; unwinders know these two instructions. */
__asm__(".pushsection .text\n"
        ".type pipeshim_restore_rt, @function\n"
        "nop\n" /* unwinders look the caller up at pc - 1 */
        "pipeshim_restore_rt:\n"
        "mov $15, %rax\n"
        "syscall\n"
        ".size pipeshim_restore_rt, . - pipeshim_restore_rt\n"
        ".popsection\n");
extern void pipeshim_restore_rt(void) __attribute__((visibility("hidden")));

static struct saved_registers registers_of(const ucontext_t *context)
{
    const greg_t *from = context->uc_mcontext.gregs;
    return (struct saved_registers){
        .pc = (uint64_t)from[REG_RIP],
        .sp = (uint64_t)from[REG_RSP],
        .rbp = (uint64_t)from[REG_RBP],
        .rbx = (uint64_t)from[REG_RBX],
        .r12 = (uint64_t)from[REG_R12],
        .r13 = (uint64_t)from[REG_R13],
        .r14 = (uint64_t)from[REG_R14],
        .r15 = (uint64_t)from[REG_R15],
    };
}
#elif defined(__aarch64__)
static struct saved_registers registers_of(const ucontext_t *context)
{
    const mcontext_t *from = &context->uc_mcontext;
    struct saved_registers registers = {
        .pc = from->pc, .sp = from->sp, .fp = from->regs[29], .lr = from->regs[30]};
    memcpy(registers.x19_to_x28, &from->regs[19], sizeof registers.x19_to_x28);
    return registers;
}
#endif

/* Somebody sent the signal, who expects what its default does: the process ends. */
static void die_of(int number)
{
    struct kernel_sigaction standard = {0};
    raw_syscall(SYS_rt_sigaction, number, &standard, 0, sizeof standard.mask);
    raw_syscall(SYS_tgkill, raw_syscall(SYS_getpid), raw_syscall(SYS_gettid), number);
}

static void take_sample(int number, siginfo_t *info, void *context)
{
    if (info->si_code != SI_TIMER) {
        die_of(number);
        return;
    }
    int index = info->si_value.sival_int;
    if (index < 0 || index >= SESSION_LIMIT)
        return;
    struct session *session = &sessions[index];
    if (atomic_load(&session->tid) != (int)raw_syscall(SYS_gettid))
        return; /* a late one, of a timer that is gone */
    struct saved_registers registers = registers_of(context);
    struct iovec to = {session->stack, sizeof session->stack};
    struct iovec from = {(void *)registers.sp, sizeof session->stack};
    atomic_fetch_add(&session->sequence, 1);
    session->registers = registers;
    /* The stack may end before so many bytes: the kernel copies what is there. */
    long size = raw_syscall(SYS_process_vm_readv, raw_syscall(SYS_getpid), &to, 1, &from, 1, 0);
    session->stack_size = size > 0 ? (size_t)size : 0;
    atomic_fetch_add(&session->sequence, 1);
}

/* The signals that thread `tid` blocks, one bit each. */
static uint64_t blocked_by(int tid)
{
    struct status_field blocked = {.name = "SigBlk", .base = 16};
    return status_read(atomic_load(&life->pid), tid, &blocked, 1) ? blocked.value : UINT64_MAX;
}

static bool has_default(int number)
{
    struct kernel_sigaction now = {0};
    return raw_syscall(SYS_rt_sigaction, number, 0, &now, sizeof now.mask) == 0 && !now.handler;
}

/* True if the handler is ours still: a program may have taken the signal meanwhile. */
static bool has_ours(int number)
{
    struct kernel_sigaction now = {0};
    return raw_syscall(SYS_rt_sigaction, number, 0, &now, sizeof now.mask) == 0 &&
           now.handler == take_sample;
}

static bool install(int number)
{
    struct kernel_sigaction ours = {
        .handler = take_sample,
        .flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK,
        .mask = ~0ULL, /* nothing interrupts the copy */
    };
#if defined(__x86_64__)
    ours.flags |= FLAG_RESTORER;
    ours.restorer = pipeshim_restore_rt;
#endif
    if (raw_syscall(SYS_rt_sigaction, number, &ours, 0, sizeof ours.mask) != 0)
        return false;
    signal_number = number;
    return true;
}

static bool choose_signal(uint64_t blocked)
{
    for (int number = HIGHEST_SIGNAL; number >= LOWEST_SIGNAL; number--)
        if (!(blocked >> (number - 1) & 1) && has_default(number))
            return install(number);
    return false;
}

static bool signal_is_usable(int tid)
{
    uint64_t blocked = blocked_by(tid);
    if (signal_number == 0)
        return choose_signal(blocked);
    return !(blocked >> (signal_number - 1) & 1) && has_ours(signal_number);
}

static struct session *find(int tid)
{
    for (unsigned i = 0; i < SESSION_LIMIT; i++)
        if (atomic_load(&sessions[i].tid) == tid)
            return &sessions[i];
    return NULL;
}

/* The clock of a thread's CPU time (clock_getcpuclockid(3), as the kernel encodes it). */
static int cpu_clock_of(int tid)
{
    return (int)(~(unsigned)tid << 3 | 6U);
}

bool cpu_timer_begin(int tid)
{
    if (find(tid))
        return true;
    struct session *session = find(0);
    if (!session || !signal_is_usable(tid))
        return false;
    struct sigevent event = {0};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal_number;
    event.sigev_value.sival_int = (int)(session - sessions);
    event._sigev_un._tid = tid;
    struct itimerspec period = {{0, SAMPLE_PERIOD_NS}, {0, SAMPLE_PERIOD_NS}};
    if (raw_syscall(SYS_timer_create, cpu_clock_of(tid), &event, &session->timer) != 0)
        return false;
    atomic_store(&session->sequence, 0);
    atomic_store(&session->tid, tid);
    if (raw_syscall(SYS_timer_settime, session->timer, 0, &period, 0) == 0)
        return true;
    cpu_timer_end(tid);
    return false;
}

bool cpu_timer_latest(int tid, struct stack_snapshot *snapshot)
{
    enum { TRIES = 3 };
    struct session *session = find(tid);
    for (unsigned i = 0; session && i < TRIES; i++) {
        uint32_t sequence = atomic_load(&session->sequence);
        if (sequence == 0 || sequence & 1)
            continue;
        snapshot->registers = session->registers;
        snapshot->known = REGISTERS_ALL;
        snapshot->pc_returns = false;
        snapshot->has_r9 = false;
        snapshot->start = session->registers.sp;
        snapshot->size = session->stack_size;
        memcpy(snapshot->bytes, session->stack, sizeof session->stack);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load(&session->sequence) != sequence)
            continue;
        stack_snapshot_begin(snapshot);
        return snapshot->size > 0;
    }
    return false;
}

void cpu_timer_end(int tid)
{
    struct session *session = find(tid);
    if (!session || tid == 0)
        return;
    raw_syscall(SYS_timer_delete, session->timer);
    atomic_store(&session->tid, 0);
}

void cpu_timer_stop_all(void)
{
    for (unsigned i = 0; i < SESSION_LIMIT; i++)
        cpu_timer_end(atomic_load(&sessions[i].tid));
}

bool cpu_timer_runs(void)
{
    for (unsigned i = 0; i < SESSION_LIMIT; i++)
        if (atomic_load(&sessions[i].tid) != 0)
            return true;
    return false;
}

void cpu_timer_begin_in_child(void)
{
    /* Timers are not inherited: by these numbers the kernel knows the child's own. */
    for (unsigned i = 0; i < SESSION_LIMIT; i++)
        if (atomic_load(&sessions[i].tid) != 0)
            atomic_store(&sessions[i].tid, 0);
}
