// SPDX-License-Identifier: MIT
#include "watch/seccomp.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "report/tell.h"
#include "watch/life.h"
#include "watch/thread.h"

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* Without these the watchdog and the log cannot do anything. */
static const short needed_calls[] = {
    SYS_clone,       SYS_close,      SYS_close_range,    SYS_prctl,         SYS_futex,
    SYS_openat,      SYS_read,       SYS_pread64,        SYS_write,         SYS_pwritev2,
    SYS_lseek,       SYS_mmap,       SYS_munmap,         SYS_mprotect,      SYS_madvise,
    SYS_mincore,     SYS_getdents64, SYS_readlinkat,     SYS_fstat,         SYS_newfstatat,
    SYS_statx,       SYS_fcntl,      SYS_ioctl,          SYS_ppoll,         SYS_getpid,
    SYS_gettid,      SYS_geteuid,    SYS_tgkill,         SYS_uname,         SYS_clock_gettime,
    SYS_nanosleep,   SYS_exit,       SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigtimedwait,
    SYS_sched_yield,
};

/* Without these it knows less. */
static const struct {
    short number;
    unsigned forbids;
} useful_calls[] = {
    {SYS_process_vm_readv, FORBIDS_MEMORY}, {SYS_pidfd_open, FORBIDS_BORROWING},
    {SYS_pidfd_getfd, FORBIDS_BORROWING},   {SYS_socket, FORBIDS_SOCKETS},
    {SYS_connect, FORBIDS_SOCKETS},         {SYS_sendto, FORBIDS_SOCKETS},
    {SYS_recvfrom, FORBIDS_SOCKETS},        {SYS_recvmsg, FORBIDS_SOCKETS},
};

enum { SCRATCH_WORDS = 16 /* BPF_MEMWORDS */ };

struct machine {
    uint32_t a, x;
    uint32_t scratch[SCRATCH_WORDS];
};

static uint32_t load_word(const struct seccomp_data *data, uint32_t offset)
{
    uint32_t word = 0;
    if (offset <= sizeof *data - sizeof word)
        memcpy(&word, (const char *)data + offset, sizeof word);
    return word;
}

static uint32_t calculate(uint16_t operation, uint32_t a, uint32_t operand)
{
    switch (BPF_OP(operation)) {
    case BPF_ADD:
        return a + operand;
    case BPF_SUB:
        return a - operand;
    case BPF_MUL:
        return a * operand;
    case BPF_DIV:
        return operand ? a / operand : 0;
    case BPF_OR:
        return a | operand;
    case BPF_AND:
        return a & operand;
    case BPF_LSH:
        return operand < 32 ? a << operand : 0;
    case BPF_RSH:
        return operand < 32 ? a >> operand : 0;
    case BPF_XOR:
        return a ^ operand;
    case BPF_NEG:
        return 0 - a;
    default:
        return a;
    }
}

static bool holds(uint16_t operation, uint32_t a, uint32_t operand)
{
    switch (BPF_OP(operation)) {
    case BPF_JEQ:
        return a == operand;
    case BPF_JGT:
        return a > operand;
    case BPF_JGE:
        return a >= operand;
    case BPF_JSET:
        return (a & operand) != 0;
    default:
        return false;
    }
}

static void load(const struct sock_filter *step, const struct seccomp_data *data,
                 struct machine *machine)
{
    uint32_t value = step->k;
    if (BPF_MODE(step->code) == BPF_ABS)
        value = load_word(data, step->k);
    else if (BPF_MODE(step->code) == BPF_MEM)
        value = machine->scratch[step->k % SCRATCH_WORDS];
    else if (BPF_MODE(step->code) == BPF_LEN)
        value = sizeof *data;
    if (BPF_CLASS(step->code) == BPF_LDX)
        machine->x = value;
    else
        machine->a = value;
}

uint32_t seccomp_evaluate(const struct sock_fprog *filter, int number)
{
    const struct seccomp_data data = {.nr = number, .arch = OWN_ARCHITECTURE};
    struct machine machine = {0};
    /* Jumps only go forwards (seccomp(2)), so this ends. */
    for (uint32_t at = 0; at < filter->len; at++) {
        const struct sock_filter *step = &filter->filter[at];
        uint32_t operand = BPF_SRC(step->code) == BPF_X ? machine.x : step->k;
        switch (BPF_CLASS(step->code)) {
        case BPF_LD:
        case BPF_LDX:
            load(step, &data, &machine);
            break;
        case BPF_ST:
            machine.scratch[step->k % SCRATCH_WORDS] = machine.a;
            break;
        case BPF_STX:
            machine.scratch[step->k % SCRATCH_WORDS] = machine.x;
            break;
        case BPF_ALU:
            machine.a = calculate(step->code, machine.a, operand);
            break;
        case BPF_JMP:
            if (BPF_OP(step->code) == BPF_JA)
                at += step->k < filter->len ? step->k : filter->len;
            else
                at += holds(step->code, machine.a, operand) ? step->jt : step->jf;
            break;
        case BPF_RET:
            return BPF_RVAL(step->code) == BPF_A ? machine.a : step->k;
        case BPF_MISC:
            if (BPF_MISCOP(step->code) == BPF_TAX)
                machine.x = machine.a;
            else
                machine.a = machine.x;
            break;
        default:
            return SECCOMP_RET_KILL_PROCESS;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

static bool allows(const struct sock_fprog *filter, int number)
{
    uint32_t answer = seccomp_evaluate(filter, number) & SECCOMP_RET_ACTION_FULL;
    return answer == SECCOMP_RET_ALLOW || answer == SECCOMP_RET_LOG;
}

static bool allows_the_watchdog(const struct sock_fprog *filter)
{
    if (!filter || !filter->filter)
        return false;
    for (unsigned i = 0; i < sizeof needed_calls / sizeof *needed_calls; i++)
        if (!allows(filter, needed_calls[i]))
            return false;
    return true;
}

void seccomp_filter_coming(const struct sock_fprog *filter)
{
    if (atomic_load(&life->thread_state) == THREAD_FORBIDDEN)
        return;
    bool allowed = allows_the_watchdog(filter);
    /* One that was there before is not known, and stays in force beside the new one. */
    if (!seccomp_filter_in_force())
        atomic_store(&life->filter_read, 1);
    if (!allowed)
        tell_line("the program installs a seccomp filter that forbids system calls which the "
                  "watchdog needs; expected openat, read, write, futex and clone allowed; this "
                  "process is not watched from here on");
    watchdog_thread_stop(!allowed);
    if (!allowed)
        life_go_inert();
    for (unsigned i = 0; allowed && i < sizeof useful_calls / sizeof *useful_calls; i++)
        if (!allows(filter, useful_calls[i].number))
            atomic_fetch_or(&life->forbidden, useful_calls[i].forbids);
}

unsigned seccomp_forbidden(void)
{
    if (!atomic_load(&life->filter_read) && seccomp_filter_in_force())
        return FORBIDS_MEMORY | FORBIDS_BORROWING | FORBIDS_SOCKETS;
    return atomic_load(&life->forbidden);
}

bool seccomp_filter_in_force(void)
{
    char status[4096];
    long fd = raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    long size = raw_syscall(SYS_read, fd, status, sizeof status - 1);
    raw_syscall(SYS_close, fd);
    status[size > 0 ? size : 0] = '\0';
    const char *line = strstr(status, "\nSeccomp:\t");
    return line && line[10] == '2';
}
