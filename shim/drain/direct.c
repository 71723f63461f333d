// SPDX-License-Identifier: MIT
#include "drain/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/newer_libc.h"
#include "base/raw_syscall.h"
#include "drain/descriptor.h"
#include "drain/headroom_table.h"
#include "drain/settings.h"
#include "drain/stream.h"
#include "kernel/proc_reader.h"

enum { POLLED_FROM = 1024, READER_WAKES_NS = 4 * NS_PER_MS };

/* One that may not be opened again, for the program has become another user: what is written goes
 * into a pipe of our own, from which splice(2) moves what fits, page by page, and never waits. */
static long write_through_own_pipe(int fd, const struct iovec *vector, int count)
{
    int ends[2];
    /* Under a filter that nobody knows: the program would not make these calls. */
    if (!descriptor_send_order_is_known() ||
        raw_syscall(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -EOPNOTSUPP;
    long result = raw_syscall(SYS_writev, ends[1], vector, count);
    if (result > 0)
        result = raw_syscall(SYS_splice, ends[0], 0, fd, 0, result, SPLICE_F_NONBLOCK);
    raw_syscall(SYS_close, ends[0]);
    raw_syscall(SYS_close, ends[1]);
    return result;
}

/* A named FIFO (the kernel knows RWF_NOWAIT of anonymous pipes and sockets only): a description of
 * our own. O_NONBLOCK on the program's would change it for all who share it. */
static long write_to_second_description(int fd, const struct iovec *vector, int count)
{
    struct stat status = {0};
    /* Of anything else, a file say, a second description would begin at offset 0. */
    if (raw_syscall(SYS_fstat, fd, &status) != 0 || !S_ISFIFO(status.st_mode))
        return -EOPNOTSUPP;
    char path[PROC_PATH_LIMIT];
    proc_path_number(path, 0, "fd", fd);
    long second = raw_syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
    if (second < 0)
        return write_through_own_pipe(fd, vector, count);
    long result = raw_syscall(SYS_writev, second, vector, count);
    raw_syscall(SYS_close, second);
    return result;
}

long direct_write_now(int fd, const struct iovec *vector, int count)
{
    long result = raw_syscall(SYS_pwritev2, fd, vector, count, -1, -1, RWF_NOWAIT);
    if (result > 0)
        headroom_spend(fd, (size_t)result);
    if (result != -EOPNOTSUPP && result != -ENOSYS)
        return result;
    return write_to_second_description(fd, vector, count);
}

/* Waits a moment for space. A poll() makes every later write to the pipe dearer
 * (kernel/borrowed_fd.h): where that would tell, at small writes, it sleeps. */
static void wait_for_space(int fd, uint64_t size)
{
    enum { RETRY_NS = 20 * NS_PER_US };
    struct pollfd space = {.fd = fd, .events = POLLOUT};
    struct timespec moment = {0, size < POLLED_FROM ? RETRY_NS : READER_WAKES_NS};
    if (size < POLLED_FROM)
        raw_syscall(SYS_nanosleep, &moment, 0);
    else
        raw_syscall(SYS_ppoll, &space, 1, &moment, 0, 8);
}

long direct_write_rest_now(int fd, const struct iovec *vector, int count, uint64_t done)
{
    const struct iovec *first = vector;
    for (; done >= first->iov_len; first++)
        done -= first->iov_len;
    struct iovec rest = {(char *)first->iov_base + done, first->iov_len - done};
    /* A write of up to PIPE_BUF is begun whole. */
    return done ? direct_write_now(fd, &rest, 1)
                : direct_write_now(fd, first, count - (int)(first - vector));
}

long direct_write_while_read(int fd, const struct iovec *vector, int count, long done)
{
    uint64_t size = vector_size(vector, count);
    uint64_t written = done > 0 ? (uint64_t)done : 0;
    uint64_t deadline = clock_monotonic_ns() + READER_WAKES_NS;
    while (written < size && !drain_is_active() && clock_monotonic_ns() < deadline) {
        wait_for_space(fd, size);
        done = direct_write_rest_now(fd, vector, count, written);
        if (done < 0 && done != -EAGAIN)
            return written ? (long)written : done;
        if (done > 0) {
            written += (uint64_t)done;
            deadline = clock_monotonic_ns() + READER_WAKES_NS;
        }
    }
    return written ? (long)written : -EAGAIN;
}

long direct_write_rest(int fd, const struct iovec *vector, int count, uint64_t done)
{
    uint64_t skip = done;
    for (int i = 0; i < count; i++) {
        uint64_t part = vector[i].iov_len;
        if (skip >= part) {
            skip -= part;
            continue;
        }
        long result = raw_syscall(SYS_write, fd, (char *)vector[i].iov_base + skip, part - skip);
        if (result < 0)
            return done ? (long)done : result;
        done += (uint64_t)result;
        if ((uint64_t)result < part - skip)
            return (long)done;
        skip = 0;
    }
    return (long)done;
}

bool direct_reader_is_gone(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLOUT};
    struct timespec at_once = {0, 0};
    return raw_syscall(SYS_ppoll, &state, 1, &at_once, 0, 8) == 1 &&
           (state.revents & (POLLERR | POLLHUP));
}

void direct_grow(const struct descriptor *descriptor)
{
    if (drain_settings.grow && descriptor->kind == DESCRIPTOR_PIPE &&
        raw_syscall(SYS_fcntl, descriptor->fd, F_GETPIPE_SZ) < (long)drain_settings.grow)
        raw_syscall(SYS_fcntl, descriptor->fd, F_SETPIPE_SZ, drain_settings.grow);
}

long direct_try(int fd, const void *buffer, size_t size)
{
    struct iovec one = {(void *)buffer, size};
    struct headroom *space = &headrooms[fd];
    if ((drain_settings.write_behind_mode && size < DIRECT_FROM) ||
        atomic_load_explicit(&space->no_nowait, memory_order_relaxed))
        return DIRECT_NOT_TRIED;
    /* write() is a cancellation point, this call is none. */
    if (!is_single_threaded())
        cancellation_point();
    long done = raw_syscall(SYS_pwritev2, fd, &one, 1, -1, -1, RWF_NOWAIT);
    if (__builtin_expect(done > 0, 1))
        headroom_spend(fd, (size_t)done);
    if (__builtin_expect(done != -EOPNOTSUPP && done != -ENOSYS, 1))
        return done;
    atomic_store_explicit(&space->no_nowait, 1, memory_order_relaxed);
    return DIRECT_NOT_TRIED;
}
