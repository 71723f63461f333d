// SPDX-License-Identifier: MIT
#include "kernel/borrowed_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/raw_syscall.h"
#include "base/valgrind.h"
#include "kernel/proc_reader.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

long borrowed_fd(int pid, int fd)
{
    if (runs_on_valgrind()) /* it knows no such call, and says so at each */
        return -ENOSYS;
    long process = raw_syscall(SYS_pidfd_open, pid, 0);
    if (process < 0)
        return process;
    long copy = raw_syscall(SYS_pidfd_getfd, process, fd, 0); /* close-on-exec by itself */
    raw_syscall(SYS_close, process);
    return copy;
}

/* Whether a write can proceed: FIONREAD equal to the capacity would miss most full pipes, which run
 * out of slots before they run out of bytes. */
static long ask_full(int fd, int *full)
{
    struct pollfd poll = {.fd = fd, .events = POLLOUT};
    struct timespec now = {0, 0};
    long ready = raw_syscall(SYS_ppoll, &poll, 1, &now, NULL, 0);
    if (ready >= 0)
        *full = poll.revents & (POLLOUT | POLLERR) ? 0 : 1;
    return ready;
}

long borrowed_pipe_fill(int pid, int fd, bool somebody_waits, struct pipe_fill *fill)
{
    *fill = (struct pipe_fill){.used = -1, .capacity = -1, .full = -1};
    long copy = borrowed_fd(pid, fd);
    if (copy < 0)
        return copy;
    int used = 0;
    long asked = raw_syscall(SYS_ioctl, copy, FIONREAD, &used);
    if (asked >= 0 && used >= 0)
        fill->used = used;
    long capacity = raw_syscall(SYS_fcntl, copy, F_GETPIPE_SZ);
    if (capacity >= 0)
        fill->capacity = capacity;
    long flags = raw_syscall(SYS_fcntl, copy, F_GETFL);
    long polled = 0;
    if (flags >= 0) {
        fill->nonblocking = (flags & O_NONBLOCK) != 0;
        if (somebody_waits && (flags & O_ACCMODE) != O_RDONLY && capacity >= 0)
            polled = ask_full((int)copy, &fill->full);
    }
    raw_syscall(SYS_close, copy);
    return proc_is_no_answer(asked)      ? asked
           : proc_is_no_answer(capacity) ? capacity
           : proc_is_no_answer(flags)    ? flags
           : proc_is_no_answer(polled)   ? polled
                                         : 0;
}

int64_t borrowed_unread(int pid, int fd)
{
    long copy = borrowed_fd(pid, fd);
    if (copy < 0)
        return copy;
    int unread = 0;
    long result = raw_syscall(SYS_ioctl, copy, FIONREAD, &unread);
    raw_syscall(SYS_close, copy);
    return result < 0 ? result : unread;
}

static long ask_option(long fd, int option, int *value)
{
    socklen_t size = sizeof *value;
    *value = 0;
    return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, value, &size);
}

long borrowed_socket_state(int pid, int fd, struct socket_state *state)
{
    int listening, unread = 0;
    *state = (struct socket_state){.unread = -1};
    long copy = borrowed_fd(pid, fd);
    if (copy < 0)
        return copy;
    long result = ask_option(copy, SO_DOMAIN, &state->family);
    if (result >= 0)
        result = ask_option(copy, SO_TYPE, &state->type);
    if (result >= 0)
        result = ask_option(copy, SO_ACCEPTCONN, &listening);
    if (result >= 0 && raw_syscall(SYS_ioctl, copy, FIONREAD, &unread) >= 0)
        state->unread = unread;
    raw_syscall(SYS_close, copy);
    state->listening = result >= 0 && listening != 0;
    return result < 0 ? result : 0;
}
