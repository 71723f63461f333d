// SPDX-License-Identifier: MIT
#include "watch/seccomp.h"

#include <linux/seccomp.h>

#include "base/raw_syscall.h"
#include "kernel/status.h"
#include "process/life.h"
#include "report/log.h"
#include "report/tell.h"
#include "watch/thread.h"

/* Without these the watchdog and the log cannot do anything. */
static const short needed_calls[] = {
    SYS_clone,       SYS_close,      SYS_close_range,    SYS_prctl,         SYS_futex,
    SYS_openat,      SYS_read,       SYS_pread64,        SYS_write,         SYS_pwritev2,
    SYS_lseek,       SYS_mmap,       SYS_munmap,         SYS_mprotect,      SYS_madvise,
    SYS_mincore,     SYS_getdents64, SYS_readlinkat,     SYS_fstat,         SYS_newfstatat,
    SYS_statx,       SYS_fcntl,      SYS_ioctl,          SYS_ppoll,         SYS_getpid,
    SYS_gettid,      SYS_geteuid,    SYS_tgkill,         SYS_uname,         SYS_clock_gettime,
    SYS_nanosleep,   SYS_exit,       SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigtimedwait,
    SYS_sched_yield, SYS_pipe2, /* libunwind, in its first unwind */
};

/* Without these it knows less. */
static const struct {
    short number;
    unsigned forbids;
} useful_calls[] = {
    {SYS_process_vm_readv, FORBIDS_MEMORY},  {SYS_pidfd_open, FORBIDS_BORROWING},
    {SYS_pidfd_getfd, FORBIDS_BORROWING},    {SYS_socket, FORBIDS_SOCKETS},
    {SYS_connect, FORBIDS_SOCKETS},          {SYS_sendto, FORBIDS_SOCKETS},
    {SYS_recvfrom, FORBIDS_SOCKETS},         {SYS_recvmsg, FORBIDS_SOCKETS},
    {SYS_perf_event_open, FORBIDS_SAMPLING}, {SYS_timer_create, FORBIDS_SAMPLING},
    {SYS_timer_settime, FORBIDS_SAMPLING},   {SYS_timer_delete, FORBIDS_SAMPLING},
    {SYS_rt_sigaction, FORBIDS_SAMPLING},    {SYS_rt_sigreturn, FORBIDS_SAMPLING},
};

/* Without these the drainer and its helper cannot do anything. */
static const short draining_calls[] = {SYS_fstat,
                                       SYS_fcntl,
                                       SYS_getsockopt,
                                       SYS_pwritev2,
                                       SYS_writev,
                                       SYS_write,
                                       SYS_ppoll,
                                       SYS_madvise,
                                       SYS_nanosleep,
                                       SYS_sched_yield,
                                       SYS_getpid,
                                       SYS_gettid,
                                       SYS_tkill,
                                       SYS_clone,
                                       SYS_wait4,
                                       SYS_futex,
                                       SYS_clock_gettime,
                                       SYS_prctl,
                                       SYS_setsid,
                                       SYS_chdir,
                                       SYS_dup3,
                                       SYS_close,
                                       SYS_close_range,
                                       SYS_munmap,
                                       SYS_sched_setaffinity,
                                       SYS_exit_group,
                                       SYS_rt_sigprocmask,
                                       SYS_set_robust_list,
                                       SYS_newfstatat,
                                       SYS_rt_sigaction,
                                       SYS_rt_sigreturn,
                                       SYS_setitimer,
                                       SYS_kill,
                                       SYS_memfd_create,
                                       SYS_ftruncate,
                                       SYS_mmap,
                                       SYS_mremap,
                                       SYS_sigaltstack,
                                       SYS_exit};

static bool allows(const struct sock_fprog *filter, int number)
{
    uint32_t answer = seccomp_evaluate(filter, number) & SECCOMP_RET_ACTION_FULL;
    return answer == SECCOMP_RET_ALLOW || answer == SECCOMP_RET_LOG;
}

/* Sampling tries one way after the other: a call that only fails does no harm there. */
static bool allows_or_fails(const struct sock_fprog *filter, int number)
{
    return allows(filter, number) ||
           (seccomp_evaluate(filter, number) & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
}

/* FORBIDS_…: what the watchdog must do without under this filter. */
static unsigned forbidden_by(const struct sock_fprog *filter)
{
    unsigned forbidden = 0;
    for (unsigned i = 0; i < sizeof useful_calls / sizeof *useful_calls; i++) {
        int number = useful_calls[i].number;
        if (useful_calls[i].forbids == FORBIDS_SAMPLING ? !allows_or_fails(filter, number)
                                                        : !allows(filter, number))
            forbidden |= useful_calls[i].forbids;
    }
    return forbidden;
}

static bool allows_the_watchdog(const struct sock_fprog *filter)
{
    if (!filter || !filter->filter)
        return false;
    for (unsigned i = 0; i < sizeof needed_calls / sizeof *needed_calls; i++)
        if (!allows(filter, needed_calls[i]))
            return false;
    /* Many sandboxes forbid sockets, few logs need them. */
    return !log_uses_sockets() || !(forbidden_by(filter) & FORBIDS_SOCKETS);
}

bool seccomp_allows_draining(const struct sock_fprog *filter)
{
    if (!filter || !filter->filter)
        return false;
    for (unsigned i = 0; i < sizeof draining_calls / sizeof *draining_calls; i++)
        if (!allows(filter, draining_calls[i]))
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
    if (allowed)
        atomic_fetch_or(&life->forbidden, forbidden_by(filter));
    else
        life_go_inert();
}

unsigned seccomp_forbidden(void)
{
    if (!atomic_load(&life->filter_read) && seccomp_filter_in_force())
        return FORBIDS_MEMORY | FORBIDS_BORROWING | FORBIDS_SOCKETS | FORBIDS_SAMPLING;
    return atomic_load(&life->forbidden);
}
