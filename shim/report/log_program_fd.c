// SPDX-License-Identifier: MIT
#include "report/log_program_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "kernel/borrowed_fd.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

static bool borrowing_allowed = true; /* child: kept, until its own watchdog begins */

void program_fd_take(struct program_fd *target, int fd)
{
    target->fd = fd;
    target->open = raw_syscall(SYS_fstat, fd, &target->file) == 0;
}

bool program_fd_is_writable(const struct program_fd *target)
{
    long flags = raw_syscall(SYS_fcntl, target->fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

void program_fd_may_borrow(bool allowed)
{
    borrowing_allowed = allowed;
}

bool program_fd_is_on_disk(const struct program_fd *target)
{
    return target->open && S_ISREG(target->file.st_mode);
}

static bool is_same_file(const struct program_fd *target, long fd)
{
    struct stat now = {0}; /* the analyzer does not know what a raw system call writes */
    return target->open && raw_syscall(SYS_fstat, fd, &now) == 0 &&
           now.st_dev == target->file.st_dev && now.st_ino == target->file.st_ino &&
           now.st_mode == target->file.st_mode && now.st_rdev == target->file.st_rdev;
}

long program_fd_get(const struct program_fd *target, bool own_fd_table)
{
    long fd = target->fd;
    if (own_fd_table)
        fd = borrowing_allowed ? borrowed_fd((int)raw_syscall(SYS_getpid), target->fd) : -EPERM;
    if (fd < 0 || is_same_file(target, fd))
        return fd;
    if (own_fd_table)
        raw_syscall(SYS_close, fd);
    return -EBADF;
}

/* A description of our own, so that O_NONBLOCK stays ours: for terminals and named FIFOs, which do
 * not know RWF_NOWAIT. */
static long write_reopened(const struct program_fd *target, const char *data, size_t size)
{
    char path[32];
    struct text_buffer text;
    text_init(&text, path, sizeof path);
    text_string(&text, "/proc/self/fd/");
    text_signed(&text, target->fd);
    long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return fd;
    long written = is_same_file(target, fd) ? raw_syscall(SYS_write, fd, data, size) : -EBADF;
    raw_syscall(SYS_close, fd);
    return written;
}

static long write_to_file(const struct program_fd *target, long fd, const char *data, size_t size)
{
    struct iovec vector = {(void *)data, size};
    if (S_ISSOCK(target->file.st_mode))
        return raw_syscall(SYS_sendto, fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
    long written = raw_syscall(SYS_pwritev2, fd, &vector, 1, -1L, -1L, RWF_NOWAIT);
    if (written != -EOPNOTSUPP && written != -ENOSYS && written != -EINVAL && written != -ESPIPE)
        return written;
    return write_reopened(target, data, size);
}

static long write_signalled(const struct program_fd *target, const char *data, size_t size,
                            bool own_fd_table)
{
    long fd = program_fd_get(target, own_fd_table);
    if (fd == -EBADF)
        return fd;
    if (fd < 0)
        return write_reopened(target, data, size);
    long written = write_to_file(target, fd, data, size);
    if (own_fd_table)
        raw_syscall(SYS_close, fd);
    return written;
}

/* What the kernel may send to a thread for a write of ours: no reader, a terminal that stops
 * background jobs (which a thread that blocks the signal may write to), a file's largest size. */
static const uint64_t signals_of_a_write =
    1ULL << (SIGPIPE - 1) | 1ULL << (SIGTTOU - 1) | 1ULL << (SIGXFSZ - 1);

/* A write to a pipe without a reader leaves SIGPIPE pending: taken back. Where the program has one
 * pending already the two could not be told apart: then nothing is written. */
long program_fd_write(const struct program_fd *target, const char *data, size_t size,
                      bool own_fd_table)
{
    const uint64_t sigpipe = 1ULL << (SIGPIPE - 1);
    const struct timespec now = {0, 0};
    uint64_t before = 0;
    uint64_t waiting = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, &signals_of_a_write, &before, sizeof before);
    raw_syscall(SYS_rt_sigpending, &waiting, sizeof waiting);
    long written = -EAGAIN;
    if (!(waiting & sigpipe))
        written = write_signalled(target, data, size, own_fd_table);
    if (written == -EPIPE)
        raw_syscall(SYS_rt_sigtimedwait, &sigpipe, 0, &now, sizeof sigpipe);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    return written;
}
