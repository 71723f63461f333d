// SPDX-License-Identifier: MIT
#include "watch/seccomp.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "report/log.h"
#include "report/tell.h"
#include "watch/life.h"
#include "watch/thread.h"

/* All that the watchdog and the log call. A test traces the library and compares. */
static const short needed_calls[] = {
    SYS_clone,      SYS_close,       SYS_close_range,   SYS_prctl,
    SYS_futex,      SYS_openat,      SYS_read,          SYS_pread64,
    SYS_write,      SYS_mmap,        SYS_munmap,        SYS_mprotect,
    SYS_madvise,    SYS_mincore,     SYS_getdents64,    SYS_clock_gettime,
    SYS_gettid,     SYS_getpid,      SYS_tgkill,        SYS_rt_sigprocmask,
    SYS_exit,       SYS_nanosleep,   SYS_ppoll,         SYS_readlinkat,
    SYS_fcntl,      SYS_fstat,       SYS_newfstatat,    SYS_ioctl,
    SYS_pidfd_open, SYS_pidfd_getfd, SYS_rt_sigpending, SYS_rt_sigtimedwait,
    SYS_pwritev2,
};

/* What only a log to syslog or to a socket calls: many sandboxes forbid these, few logs need them.
 */
static const short socket_calls[] = {SYS_socket, SYS_connect, SYS_sendto};

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
    for (unsigned i = 0; log_uses_sockets() && i < sizeof socket_calls / sizeof *socket_calls; i++)
        if (!allows(filter, socket_calls[i]))
            return false;
    return true;
}

void seccomp_filter_coming(const struct sock_fprog *filter)
{
    if (atomic_load(&life->thread_state) == THREAD_FORBIDDEN)
        return;
    bool allowed = allows_the_watchdog(filter);
    if (!allowed)
        tell_line("the program installs a seccomp filter that forbids system calls which the "
                  "watchdog needs; expected openat, read, write, futex and clone allowed; this "
                  "process is not watched from here on");
    watchdog_thread_stop(!allowed);
    if (!allowed || !allows(filter, SYS_process_vm_readv))
        atomic_store(&life->memory_by_file, 1);
}

bool seccomp_filter_inherited(void)
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
