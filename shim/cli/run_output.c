// SPDX-License-Identifier: MIT
#include "cli/run_output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* O_NONBLOCK set on stderr itself would hold for everybody who shares it, CMD among them. */
enum {
    WAY_PLAIN,       /* a regular file, or an own description with O_NONBLOCK: write(2) */
    WAY_SOCKET,      /* send(2) with MSG_DONTWAIT */
    WAY_NOWAIT,      /* pwritev2(2) with RWF_NOWAIT, what pipes know since Linux 5.5 */
    WAY_POLL,        /* poll(2) first, then a write that a pipe with space takes whole */
    POLL_SAFE = 512, /* POSIX's least PIPE_BUF */
};

static void choose_way(struct run_output *output)
{
    struct stat status;
    output->fd = STDERR_FILENO;
    if (fstat(STDERR_FILENO, &status) != 0) {
        output->broken = true;
    } else if (S_ISREG(status.st_mode)) {
        output->way = WAY_PLAIN;
    } else if (S_ISSOCK(status.st_mode)) {
        output->way = WAY_SOCKET;
    } else {
        /* Pipes, FIFOs and terminals: a description of our own. It can be refused (a pipe of
         * another user). */
        int own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        output->way = own >= 0 ? WAY_PLAIN : S_ISFIFO(status.st_mode) ? WAY_NOWAIT : WAY_POLL;
        if (own >= 0)
            output->fd = own;
    }
}

bool run_output_open(struct run_output *output)
{
    *output = (struct run_output){.queue = malloc(RUN_OUTPUT_LIMIT)};
    choose_way(output);
    return output->queue != NULL;
}

void run_output_close(struct run_output *output)
{
    if (output->fd != STDERR_FILENO)
        close(output->fd);
    free(output->queue);
    output->queue = NULL;
}

void run_output_put(struct run_output *output, const char *text, size_t length)
{
    if (output->broken || length > RUN_OUTPUT_LIMIT - output->length) {
        output->dropped++;
        return;
    }
    memcpy(output->queue + output->length, text, length);
    output->length += length;
    run_output_flush(output);
}

static ssize_t write_some(struct run_output *output)
{
    struct iovec piece = {.iov_base = output->queue, .iov_len = output->length};
    if (output->way == WAY_SOCKET)
        return send(output->fd, piece.iov_base, piece.iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (output->way == WAY_NOWAIT) {
        ssize_t written = pwritev2(output->fd, &piece, 1, -1, RWF_NOWAIT);
        if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
            return written;
        output->way = WAY_POLL;
    }
    if (output->way == WAY_POLL) {
        struct pollfd space = {.fd = output->fd, .events = POLLOUT};
        if (poll(&space, 1, 0) != 1) {
            errno = EAGAIN;
            return -1;
        }
        piece.iov_len = piece.iov_len > POLL_SAFE ? POLL_SAFE : piece.iov_len;
    }
    return write(output->fd, piece.iov_base, piece.iov_len);
}

void run_output_flush(struct run_output *output)
{
    while (run_output_pending(output)) {
        ssize_t written = write_some(output);
        if (written > 0) {
            output->length -= (size_t)written;
            memmove(output->queue, output->queue + written, output->length);
        } else if (written < 0 && errno == EAGAIN) {
            return;
        } else if (written == 0 || errno != EINTR) {
            output->broken = true;
        }
    }
}

void run_output_finish(struct run_output *output, int milliseconds)
{
    run_output_flush(output);
    while (run_output_pending(output)) {
        struct pollfd space = {.fd = output->fd, .events = POLLOUT};
        if (poll(&space, 1, milliseconds) <= 0)
            return;
        run_output_flush(output);
    }
}
