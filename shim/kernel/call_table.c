// SPDX-License-Identifier: MIT
#include "kernel/call_table.h"

#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

/* An architecture that came after a call was replaced does not have the old one: aarch64 has no
 * poll, select, epoll_wait, open or pause. */
static const struct call_description calls[] = {
    {SYS_read, "read", "", WAIT_READ, CLASS_PIPE_READ, 0, -1, -1, TIMEOUT_NONE},
    {SYS_readv, "readv", "", WAIT_READ, CLASS_PIPE_READ, 0, -1, -1, TIMEOUT_NONE},
    {SYS_preadv2, "preadv2", "", WAIT_READ, CLASS_PIPE_READ, 0, -1, -1, TIMEOUT_NONE},
    {SYS_recvfrom, "recvfrom", "", WAIT_READ, CLASS_PIPE_READ, 0, -1, -1, TIMEOUT_NONE},
    {SYS_recvmsg, "recvmsg", "", WAIT_READ, CLASS_PIPE_READ, 0, -1, -1, TIMEOUT_NONE},
    {SYS_recvmmsg, "recvmmsg", "", WAIT_READ, CLASS_PIPE_READ, 0, -1, 4, TIMEOUT_TIMESPEC},
    {SYS_write, "write", "", WAIT_WRITE, CLASS_PIPE_WRITE, 0, 2, -1, TIMEOUT_NONE},
    {SYS_writev, "writev", "", WAIT_WRITE, CLASS_PIPE_WRITE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_pwritev2, "pwritev2", "", WAIT_WRITE, CLASS_PIPE_WRITE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_sendto, "sendto", "", WAIT_WRITE, CLASS_PIPE_WRITE, 0, 2, -1, TIMEOUT_NONE},
    {SYS_sendmsg, "sendmsg", "", WAIT_WRITE, CLASS_PIPE_WRITE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_sendmmsg, "sendmmsg", "", WAIT_WRITE, CLASS_PIPE_WRITE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_sendfile, "sendfile", "", WAIT_WRITE, CLASS_PIPE_WRITE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_vmsplice, "vmsplice", "", WAIT_WRITE, CLASS_PIPE_WRITE, 0, -1, -1, TIMEOUT_NONE},
    /* Either side of a splice may be the one that waits: no claim is built on it until the side
     * that is written to has been looked at. */
    {SYS_splice, "splice", "", WAIT_OTHER, CLASS_PIPE_WRITE, 2, -1, -1, TIMEOUT_NONE},
    {SYS_tee, "tee", "", WAIT_OTHER, CLASS_PIPE_WRITE, 1, -1, -1, TIMEOUT_NONE},
    {SYS_ppoll, "ppoll", "", WAIT_POLL, CLASS_POLL, -1, -1, 2, TIMEOUT_TIMESPEC},
    {SYS_pselect6, "pselect6", "", WAIT_SELECT, CLASS_POLL, -1, -1, 4, TIMEOUT_TIMESPEC},
    {SYS_epoll_pwait, "epoll_pwait", "epoll_wait", WAIT_EPOLL, CLASS_POLL, 0, -1, 3,
     TIMEOUT_MILLISECONDS},
#ifdef SYS_epoll_pwait2
    {SYS_epoll_pwait2, "epoll_pwait2", "", WAIT_EPOLL, CLASS_POLL, 0, -1, 3, TIMEOUT_TIMESPEC},
#endif
    {SYS_wait4, "wait4", "", WAIT_CHILD, CLASS_CHILD, -1, -1, -1, TIMEOUT_NONE},
    {SYS_waitid, "waitid", "", WAIT_CHILD, CLASS_CHILD, -1, -1, -1, TIMEOUT_NONE},
    {SYS_flock, "flock", "", WAIT_LOCK, CLASS_LOCK, 0, -1, -1, TIMEOUT_NONE},
    {SYS_fcntl, "fcntl", "", WAIT_LOCK, CLASS_LOCK, 0, -1, -1, TIMEOUT_NONE},
    {SYS_futex, "futex", "", WAIT_FUTEX, CLASS_LOCK, -1, -1, 3, TIMEOUT_FUTEX},
    {SYS_nanosleep, "nanosleep", "", WAIT_SLEEP, CLASS_SLEEP, -1, -1, 0, TIMEOUT_TIMESPEC},
    {SYS_clock_nanosleep, "clock_nanosleep", "", WAIT_SLEEP, CLASS_SLEEP, -1, -1, 2,
     TIMEOUT_CLOCK_SLEEP},
    {SYS_rt_sigsuspend, "sigsuspend", "", WAIT_SIGNAL, CLASS_SLEEP, -1, -1, -1, TIMEOUT_NONE},
    {SYS_rt_sigtimedwait, "sigtimedwait", "", WAIT_SIGNAL, CLASS_SLEEP, -1, -1, 2,
     TIMEOUT_TIMESPEC},
    {SYS_accept, "accept", "", WAIT_ACCEPT, CLASS_ACCEPT, 0, -1, -1, TIMEOUT_NONE},
    {SYS_accept4, "accept4", "", WAIT_ACCEPT, CLASS_ACCEPT, 0, -1, -1, TIMEOUT_NONE},
    {SYS_connect, "connect", "", WAIT_CONNECT, CLASS_CONNECT, 0, -1, -1, TIMEOUT_NONE},
    {SYS_openat, "open", "", WAIT_OPEN, CLASS_FILE, -1, 1, -1, TIMEOUT_NONE},
    {SYS_ioctl, "ioctl", "", WAIT_OTHER, CLASS_OTHER, 0, -1, -1, TIMEOUT_NONE},
    {SYS_fsync, "fsync", "", WAIT_OTHER, CLASS_FILE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_fdatasync, "fdatasync", "", WAIT_OTHER, CLASS_FILE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_syncfs, "syncfs", "", WAIT_OTHER, CLASS_FILE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_sync_file_range, "sync_file_range", "", WAIT_OTHER, CLASS_FILE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_ftruncate, "ftruncate", "", WAIT_OTHER, CLASS_FILE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_fallocate, "fallocate", "", WAIT_OTHER, CLASS_FILE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_sync, "sync", "", WAIT_OTHER, CLASS_FILE, -1, -1, -1, TIMEOUT_NONE},
    {SYS_msync, "msync", "", WAIT_OTHER, CLASS_FILE, -1, -1, -1, TIMEOUT_NONE},
    {SYS_close, "close", "", WAIT_OTHER, CLASS_OTHER, 0, -1, -1, TIMEOUT_NONE},
    {SYS_pread64, "pread", "", WAIT_OTHER, CLASS_FILE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_pwrite64, "pwrite", "", WAIT_OTHER, CLASS_FILE, 0, -1, -1, TIMEOUT_NONE},
    {SYS_restart_syscall, "restart_syscall", "", WAIT_SLEEP, CLASS_SLEEP, -1, -1, -1, TIMEOUT_NONE},
    {SYS_exit_group, "exit", "", WAIT_OTHER, CLASS_OTHER, -1, -1, -1, TIMEOUT_NONE},
#ifdef SYS_poll
    {SYS_poll, "poll", "", WAIT_POLL, CLASS_POLL, -1, -1, 2, TIMEOUT_MILLISECONDS},
    {SYS_select, "select", "", WAIT_SELECT, CLASS_POLL, -1, -1, 4, TIMEOUT_TIMEVAL},
    {SYS_epoll_wait, "epoll_wait", "", WAIT_EPOLL, CLASS_POLL, 0, -1, 3, TIMEOUT_MILLISECONDS},
    {SYS_open, "open", "", WAIT_OPEN, CLASS_FILE, -1, 0, -1, TIMEOUT_NONE},
    {SYS_creat, "creat", "", WAIT_OPEN, CLASS_FILE, -1, 0, -1, TIMEOUT_NONE},
    {SYS_pause, "pause", "", WAIT_SIGNAL, CLASS_SLEEP, -1, -1, -1, TIMEOUT_NONE},
    {SYS_vfork, "vfork", "", WAIT_OTHER, CLASS_OTHER, -1, -1, -1, TIMEOUT_NONE},
#endif
#ifdef SYS_io_uring_enter
    {SYS_io_uring_enter, "io_uring_enter", "", WAIT_OTHER, CLASS_OTHER, 0, -1, -1, TIMEOUT_NONE},
#endif
};

const struct call_description *call_description(long number)
{
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].number == number)
            return &calls[i];
    }
    return NULL;
}

enum wait_kind wait_kind_of_wchan(const char *wchan)
{
    static const struct {
        char name[28]; /* the start of it: compilers append .constprop.0 and .isra.0 */
        enum wait_kind kind;
    } names[] = {
        {"anon_pipe_write", WAIT_WRITE}, /* since Linux 6.16 */
        {"pipe_write", WAIT_WRITE},
        {"anon_pipe_read", WAIT_READ},
        {"pipe_read", WAIT_READ},
        {"sock_alloc_send_pskb", WAIT_WRITE},
        {"unix_stream_sendmsg", WAIT_WRITE},
        {"unix_stream_read_generic", WAIT_READ},
        {"unix_stream_data_wait", WAIT_READ},
        {"do_wait", WAIT_CHILD},
        {"do_epoll_wait", WAIT_EPOLL},
        {"ep_poll", WAIT_EPOLL},
        {"poll_schedule_timeout", WAIT_POLL},
        {"do_sys_poll", WAIT_POLL},
        {"do_poll", WAIT_POLL},
        {"do_select", WAIT_SELECT},
        {"futex_do_wait", WAIT_FUTEX}, /* since Linux 6.13 */
        {"futex_wait_queue", WAIT_FUTEX},
        {"hrtimer_nanosleep", WAIT_SLEEP},
        {"do_nanosleep", WAIT_SLEEP},
        {"locks_lock_inode_wait", WAIT_LOCK},
        {"inet_csk_accept", WAIT_ACCEPT},
        {"wait_for_partner", WAIT_OPEN},
        {"do_sigtimedwait", WAIT_SIGNAL},
        {"sigsuspend", WAIT_SIGNAL},
        {"do_signal_stop", WAIT_STOPPED},
        {"ptrace_stop", WAIT_STOPPED},
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strncmp(wchan, names[i].name, strlen(names[i].name)) == 0)
            return names[i].kind;
    }
    return WAIT_OTHER;
}

bool wchan_may_be(const char *wchan, enum wait_kind kind)
{
    /* Before Linux 5.5 readers and writers of pipes slept in the same function. */
    bool either = strncmp(wchan, "pipe_wait", 9) == 0 && (kind == WAIT_READ || kind == WAIT_WRITE);
    return either || wait_kind_of_wchan(wchan) == kind;
}
