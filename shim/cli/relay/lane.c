// SPDX-License-Identifier: MIT
#include "cli/relay/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PIECE = 64 * 1024 };

/* Drops what is left of a line that was begun to be dropped; returns how much of the piece that
 * was.
 */
static size_t skip_line(struct lane *lane, const char *piece, size_t size)
{
    if (!lane->queue.skips)
        return 0;
    const char *end = memchr(piece, '\n', size);
    lane->queue.skips = end == NULL;
    return end ? (size_t)(end - piece) + 1 : size;
}

/* drop-new: whatever comes is read, and kept as far as whole lines of it fit. */
static void take_new(struct lane *lane, const char *piece, size_t size)
{
    size_t skipped = skip_line(lane, piece, size);
    lane->dropped += skipped;
    piece += skipped;
    size -= skipped;
    uint64_t free = lane->queue.size - byte_queue_used(&lane->queue);
    if (size > free) {
        const char *end = memrchr(piece, '\n', free);
        size_t kept = end ? (size_t)(end - piece) + 1 : 0;
        lane->queue.skips = piece[size - 1] != '\n';
        lane->dropped += size - kept;
        size = kept;
    }
    while (size > 0) {
        size_t space;
        char *to = byte_queue_space(&lane->queue, &space);
        size_t part = space < size ? space : size;
        memcpy(to, piece, part);
        byte_queue_put(&lane->queue, part);
        lane->queued += part;
        piece += part;
        size -= part;
    }
}

void lane_lose_reader(struct lane *lane)
{
    lane->lost += byte_queue_used(&lane->queue);
    byte_queue_took(&lane->queue, byte_queue_used(&lane->queue));
    close(lane->out);
    lane->out = -1;
    if (lane->in >= 0) /* the command gets its EPIPE */
        close(lane->in);
    lane->in = -1;
}

void lane_receive(struct lane *lane, enum overflow overflow, uint64_t now)
{
    static char piece[PIECE];
    size_t space;
    if (byte_queue_used(&lane->queue) == 0) /* until now nobody had anything to read */
        lane->moved_ns = now;
    char *to = byte_queue_space(&lane->queue, &space);
    bool drops = overflow != OVERFLOW_BLOCK;
    ssize_t got = drops ? read(lane->in, piece, sizeof piece)
                        : read(lane->in, to, space < PIECE ? space : PIECE);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close(lane->in);
        lane->in = -1;
    } else if (!drops) {
        byte_queue_put(&lane->queue, (size_t)got);
        lane->queued += (uint64_t)got;
    } else {
        if (overflow == OVERFLOW_DROP_OLD)
            lane->dropped += byte_queue_drop_oldest(&lane->queue, (uint64_t)got, lane->in_line);
        take_new(lane, piece, (size_t)got);
    }
}

/* Never waits; O_NONBLOCK on the description itself would change it for all who share it. */
static ssize_t write_now(struct lane *lane, const char *from, size_t size)
{
    struct iovec part = {(char *)from, size};
    if (lane->is_socket)
        return send(lane->out, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (lane->second >= 0)
        return write(lane->second, from, size);
    ssize_t done = pwritev2(lane->out, &part, 1, -1, RWF_NOWAIT);
    if (done >= 0 || errno != EOPNOTSUPP)
        return done;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", lane->out);
    lane->second = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (lane->second >= 0)
        return write(lane->second, from, size);
    struct pollfd space = {lane->out, POLLOUT, 0}; /* for a page */
    if (poll(&space, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(lane->out, from, size < PIPE_BUF ? size : PIPE_BUF);
}

/* Time in which the relay itself got no CPU is not the reader's: it was refused as late as that. */
uint64_t lane_stands_for(const struct lane *lane, uint64_t now)
{
    bool stands = lane->refused_ns >= lane->moved_ns + LANE_REPORTED_AFTER_NS;
    return stands ? now - lane->moved_ns : 0;
}

void lane_send(struct lane *lane, uint64_t now)
{
    size_t size;
    const char *from = byte_queue_next(&lane->queue, &size);
    ssize_t done = write_now(lane, from, size < PIECE ? size : PIECE);
    if (done < 0 && (errno == EAGAIN || errno == EINTR)) {
        lane->refused_ns = now;
        return;
    }
    if (done <= 0) {
        lane_lose_reader(lane);
        return;
    }
    lane->in_line = from[done - 1] != '\n';
    byte_queue_took(&lane->queue, (size_t)done);
    lane->hung_ns += lane_stands_for(lane, now);
    lane->moved_ns = now;
}

void lane_close(struct lane *lane)
{
    close(lane->out); /* who waits for the end of one stream does not wait for the other */
    if (lane->second >= 0)
        close(lane->second);
    lane->out = lane->second = -1;
}
