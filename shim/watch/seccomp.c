// SPDX-License-Identifier: MIT
#include "watch/seccomp.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/raw_syscall.h"
#include "kernel/memory_reader.h"
#include "kernel/short_process.h"
#include "kernel/status.h"
#include "process/life.h"
#include "report/log.h"
#include "watch/seccomp_evaluate.h"

enum { FUTEX_WAITV = 449 }; /* since Linux 5.16, everywhere */

#define ANY_ARGUMENTS(number)                                                                      \
    {                                                                                              \
        (number), 0,                                                                               \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define WITH(number, index, value)                                                                 \
    {                                                                                              \
        (number), 1U << (index),                                                                   \
        {                                                                                          \
            [index] = (value)                                                                      \
        }                                                                                          \
    }

/* Without these the watchdog and the log cannot do anything. Where filters like to look at an
 * argument it is as the library gives it. */
static const struct kernel_call needed_calls[] = {
    WITH(SYS_clone, 0,
         CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
             CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID),
    ANY_ARGUMENTS(SYS_close),
    WITH(SYS_close_range, 2, CLOSE_RANGE_UNSHARE),
    WITH(SYS_prctl, 0, PR_SET_NAME),
    WITH(SYS_futex, 1, FUTEX_WAIT_PRIVATE),
    WITH(SYS_futex, 1, FUTEX_WAKE_PRIVATE),
    ANY_ARGUMENTS(SYS_openat),
    ANY_ARGUMENTS(SYS_read),
    ANY_ARGUMENTS(SYS_pread64),
    ANY_ARGUMENTS(SYS_write),
    ANY_ARGUMENTS(SYS_pwritev2),
    ANY_ARGUMENTS(SYS_lseek),
    WITH(SYS_mmap, 2, PROT_READ),
    WITH(SYS_mmap, 2, PROT_READ | PROT_WRITE),
    ANY_ARGUMENTS(SYS_munmap),
    WITH(SYS_mprotect, 2, PROT_NONE),
    WITH(SYS_madvise, 2, MADV_WIPEONFORK),
    ANY_ARGUMENTS(SYS_getdents64),
    ANY_ARGUMENTS(SYS_readlinkat),
    ANY_ARGUMENTS(SYS_fstat),
    ANY_ARGUMENTS(SYS_newfstatat),
    ANY_ARGUMENTS(SYS_statx),
    WITH(SYS_fcntl, 1, F_GETPIPE_SZ),
    WITH(SYS_fcntl, 1, F_GETFL),
    WITH(SYS_fcntl, 1, F_GETFD),
    WITH(SYS_ioctl, 1, FIONREAD),
    ANY_ARGUMENTS(SYS_ppoll),
    ANY_ARGUMENTS(SYS_getpid),
    ANY_ARGUMENTS(SYS_gettid),
    ANY_ARGUMENTS(SYS_geteuid),
    ANY_ARGUMENTS(SYS_tgkill),
    ANY_ARGUMENTS(SYS_uname),
    ANY_ARGUMENTS(SYS_clock_gettime),
    ANY_ARGUMENTS(SYS_nanosleep),
    ANY_ARGUMENTS(SYS_exit),
    ANY_ARGUMENTS(SYS_rt_sigprocmask),
    ANY_ARGUMENTS(SYS_rt_sigpending),
    ANY_ARGUMENTS(SYS_rt_sigtimedwait),
    ANY_ARGUMENTS(SYS_sched_yield),
    ANY_ARGUMENTS(SYS_sigaltstack),
};

/* Without these it knows less. */
static const struct {
    struct kernel_call call;
    unsigned forbids;
} useful_calls[] = {
    {ANY_ARGUMENTS(SYS_process_vm_readv), FORBIDS_MEMORY},
    {ANY_ARGUMENTS(SYS_kcmp), FORBIDS_BORROWING},
    {WITH(SYS_clone, 0, SHORT_PROCESS_FLAGS), FORBIDS_WRITER},
    {ANY_ARGUMENTS(SYS_wait4), FORBIDS_WRITER},
    {ANY_ARGUMENTS(SYS_kill), FORBIDS_WRITER},
    {WITH(SYS_close_range, 2, 0), FORBIDS_WRITER},
    {WITH(SYS_rt_sigaction, 0, SIGTERM), FORBIDS_WRITER},
    {WITH(SYS_clone, 0, SHORT_PROCESS_FLAGS), FORBIDS_METRICS},
    {ANY_ARGUMENTS(SYS_wait4), FORBIDS_METRICS},
    {WITH(SYS_close_range, 2, CLOSE_RANGE_UNSHARE), FORBIDS_METRICS},
    {ANY_ARGUMENTS(SYS_fchmod), FORBIDS_METRICS},
    {ANY_ARGUMENTS(SYS_renameat), FORBIDS_METRICS},
    {ANY_ARGUMENTS(SYS_unlinkat), FORBIDS_METRICS},
    {ANY_ARGUMENTS(SYS_pidfd_open), FORBIDS_BORROWING},
    {ANY_ARGUMENTS(SYS_pidfd_getfd), FORBIDS_BORROWING},
    {WITH(SYS_socket, 0, AF_NETLINK), FORBIDS_SOCKETS},
    {WITH(SYS_socket, 0, AF_UNIX), FORBIDS_SOCKETS},
    {ANY_ARGUMENTS(SYS_connect), FORBIDS_SOCKETS},
    {ANY_ARGUMENTS(SYS_getsockopt), FORBIDS_SOCKETS},
    {ANY_ARGUMENTS(SYS_getsockname), FORBIDS_SOCKETS},
    {ANY_ARGUMENTS(SYS_getpeername), FORBIDS_SOCKETS},
    {ANY_ARGUMENTS(SYS_sendto), FORBIDS_SOCKETS},
    {ANY_ARGUMENTS(SYS_recvfrom), FORBIDS_SOCKETS},
    {ANY_ARGUMENTS(SYS_recvmsg), FORBIDS_SOCKETS},
    {ANY_ARGUMENTS(SYS_sendmsg), FORBIDS_JOURNAL},
    {ANY_ARGUMENTS(SYS_memfd_create), FORBIDS_JOURNAL},
    {ANY_ARGUMENTS(SYS_writev), FORBIDS_JOURNAL},
    {WITH(SYS_fcntl, 1, F_ADD_SEALS), FORBIDS_JOURNAL},
    {ANY_ARGUMENTS(FUTEX_WAITV), FORBIDS_LONG_SLEEP},
    {WITH(SYS_futex, 1, FUTEX_WAKE), FORBIDS_LONG_SLEEP},
    {ANY_ARGUMENTS(SYS_perf_event_open), FORBIDS_SAMPLING},
    {ANY_ARGUMENTS(SYS_timer_create), FORBIDS_SAMPLING},
    {ANY_ARGUMENTS(SYS_timer_settime), FORBIDS_SAMPLING},
    {ANY_ARGUMENTS(SYS_timer_delete), FORBIDS_SAMPLING},
    {ANY_ARGUMENTS(SYS_rt_sigaction), FORBIDS_SAMPLING},
    {ANY_ARGUMENTS(SYS_rt_sigreturn), FORBIDS_SAMPLING},
};

/* Without these the drainer and its helper cannot do anything. */
static const struct kernel_call draining_calls[] = {
    ANY_ARGUMENTS(SYS_fstat),
    ANY_ARGUMENTS(SYS_fcntl),
    ANY_ARGUMENTS(SYS_getsockopt),
    ANY_ARGUMENTS(SYS_pwritev2),
    ANY_ARGUMENTS(SYS_writev),
    ANY_ARGUMENTS(SYS_write),
    ANY_ARGUMENTS(SYS_ppoll),
    ANY_ARGUMENTS(SYS_madvise),
    ANY_ARGUMENTS(SYS_nanosleep),
    ANY_ARGUMENTS(SYS_sched_yield),
    ANY_ARGUMENTS(SYS_getpid),
    ANY_ARGUMENTS(SYS_gettid),
    ANY_ARGUMENTS(SYS_tkill),
    WITH(SYS_clone, 0, 0),
    WITH(SYS_clone, 0, CLONE_VM | CLONE_VFORK),
    WITH(SYS_clone, 0, CLONE_PARENT),
    ANY_ARGUMENTS(SYS_memfd_create),
    ANY_ARGUMENTS(SYS_ftruncate),
    WITH(SYS_mmap, 2, PROT_READ | PROT_WRITE),
    ANY_ARGUMENTS(SYS_mremap),
    ANY_ARGUMENTS(SYS_sigaltstack),
    ANY_ARGUMENTS(SYS_exit),
    ANY_ARGUMENTS(SYS_wait4),
    ANY_ARGUMENTS(SYS_futex),
    ANY_ARGUMENTS(SYS_clock_gettime),
    ANY_ARGUMENTS(SYS_prctl),
    ANY_ARGUMENTS(SYS_setsid),
    ANY_ARGUMENTS(SYS_chdir),
    ANY_ARGUMENTS(SYS_dup3),
    ANY_ARGUMENTS(SYS_close),
    ANY_ARGUMENTS(SYS_close_range),
    ANY_ARGUMENTS(SYS_munmap),
    ANY_ARGUMENTS(SYS_sched_setaffinity),
    ANY_ARGUMENTS(SYS_getcpu),
    ANY_ARGUMENTS(SYS_exit_group),
    ANY_ARGUMENTS(SYS_rt_sigprocmask),
    ANY_ARGUMENTS(SYS_set_robust_list),
    ANY_ARGUMENTS(SYS_newfstatat),
    ANY_ARGUMENTS(SYS_rt_sigaction),
    ANY_ARGUMENTS(SYS_rt_sigreturn),
    ANY_ARGUMENTS(SYS_setitimer),
    ANY_ARGUMENTS(SYS_kill),
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static bool allows_all(const struct sock_fprog *filter, const struct kernel_call *calls,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (seccomp_outcomes(filter, &calls[i]) != OUTCOME_ALLOWED)
            return false;
    return true;
}

static unsigned forbidden_by(const struct sock_fprog *filter)
{
    unsigned forbidden = 0;
    for (size_t i = 0; i < COUNT(useful_calls); i++) {
        /* Sampling tries one way after the other: a call that only fails does no harm there. */
        unsigned harmless = useful_calls[i].forbids == FORBIDS_SAMPLING
                                ? OUTCOME_ALLOWED | OUTCOME_FAILS
                                : OUTCOME_ALLOWED;
        if (seccomp_outcomes(filter, &useful_calls[i].call) & ~harmless)
            forbidden |= useful_calls[i].forbids;
    }
    return forbidden;
}

/* The memory of this process without faulting. */
static bool read_own(uintptr_t address, void *to, size_t size)
{
    if (!(filters_forbid() & FORBIDS_MEMORY)) {
        struct memory_reader memory = memory_reader_process((int)raw_syscall(SYS_getpid));
        return memory_read(&memory, address, to, size);
    }
    long fd = raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct memory_reader memory = memory_reader_file((int)fd);
    bool read = memory_read(&memory, address, to, size);
    raw_syscall(SYS_close, fd);
    return read;
}

/* What the kernel wants of a thread that installs a filter (seccomp_prepare_filter()). */
static bool has_the_right(void)
{
    struct status_field fields[] = {{.name = "NoNewPrivs", .base = 10},
                                    {.name = "CapEff", .base = 16}};
    status_read(0, 0, fields, COUNT(fields));
    return fields[0].value != 0 || (fields[1].value >> CAP_SYS_ADMIN & 1);
}

static void judge_filter(const struct sock_fprog *filter, unsigned flags,
                         struct filter_request *request)
{
    const unsigned known_flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
                                 SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_NEW_LISTENER |
                                 SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    request->is_likely = !(flags & ~known_flags) && seccomp_is_valid(filter) && has_the_right();
    request->forbids = forbidden_by(filter);
    /* Many sandboxes forbid sockets, few logs need them. */
    request->allows_watching = allows_all(filter, needed_calls, COUNT(needed_calls)) &&
                               !(log_uses_sockets() && (request->forbids & FORBIDS_SOCKETS)) &&
                               !(log_uses_journal() && (request->forbids & FORBIDS_JOURNAL));
    request->allows_draining = allows_all(filter, draining_calls, COUNT(draining_calls));
}

/* Too large for a thread's stack, and two threads may ask at once. */
static void *take_memory(size_t size)
{
    long made =
        raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return made < 0 && made > -4096 ? NULL : (void *)made;
}

struct filter_request seccomp_request_strict(void)
{
    return (struct filter_request){.is_one = true, .is_likely = true, .forbids = FORBIDS_ALL};
}

/* Where the program cannot be read here, the kernel most likely answers with EFAULT; if it does
 * not, then nothing is allowed as far as is known. */
struct filter_request seccomp_request(unsigned operation, unsigned flags, const void *program)
{
    struct filter_request request = {.forbids = FORBIDS_ALL};
    if (operation == SECCOMP_SET_MODE_STRICT)
        return flags == 0 && !program ? seccomp_request_strict() : request;
    request.is_one = operation == SECCOMP_SET_MODE_FILTER;
    request.of_all_threads = flags & SECCOMP_FILTER_FLAG_TSYNC;
    struct sock_fprog filter;
    if (!request.is_one || !read_own((uintptr_t)program, &filter, sizeof filter) ||
        filter.len == 0 || filter.len > BPF_MAXINSNS)
        return request;
    size_t size = filter.len * sizeof *filter.filter;
    struct sock_filter *steps = take_memory(size);
    if (!steps)
        return request;
    if (read_own((uintptr_t)filter.filter, steps, size)) {
        filter.filter = steps;
        judge_filter(&filter, flags, &request);
    }
    raw_syscall(SYS_munmap, steps, size);
    return request;
}

bool seccomp_was_taken(unsigned flags, long result)
{
    /* Of several threads (TSYNC) the one that could not be is the result; a listener is an fd. */
    return result == 0 || (result > 0 && (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER));
}

void seccomp_taken(const struct filter_request *request)
{
    filters_added(1, request->forbids | (request->allows_draining ? 0 : FORBIDS_DRAINING));
}

/* True if the thread is under a filter that nobody has read. */
static bool is_under_unread_filter(void)
{
    struct status_field fields[] = {{.name = "Seccomp", .base = 10},
                                    {.name = "Seccomp_filters", .base = 10}};
    status_read(0, 0, fields, COUNT(fields));
    bool filtered = !fields[0].found || fields[0].value != 0;
    /* Linux before 5.9 does not tell the number. */
    bool unread = fields[1].found ? fields[1].value > filters_known() : filters_known() == 0;
    return filtered && unread;
}

unsigned seccomp_forbidden(void)
{
    return is_under_unread_filter() ? FORBIDS_ALL : filters_forbid();
}

bool seccomp_permits_draining(void)
{
    return !(filters_forbid() & FORBIDS_DRAINING) && !is_under_unread_filter();
}
