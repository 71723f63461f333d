// SPDX-License-Identifier: MIT
#include "cli/rescue/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/diagnose/scan.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/proc_reader.h"

enum { DEFAULT_PIPE_MAX = 1 << 20 }; /* the kernel's */
enum { POLL_MS = 20, POLLS_A_SCAN = 10, DEFAULT_SOCKET_BYTES = 1 << 20 };

static int64_t largest_pipe(void)
{
    char text[32];
    int64_t size = 0;
    if (proc_read("/proc/sys/fs/pipe-max-size", text, sizeof text) > 0)
        size = strtoll(text, NULL, 10);
    return size > 0 ? size : DEFAULT_PIPE_MAX;
}

/* A sender of an AF_UNIX stream waits for its own buffer; raising that wakes it (socket(7)). */
static int grow_socket(int fd, int64_t size, int64_t *before, int64_t *after)
{
    int value = 0, wanted = (int)(size > 0 && size < INT32_MAX ? size : DEFAULT_SOCKET_BYTES);
    socklen_t length = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &length) != 0)
        return -errno;
    *before = value;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) != 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) != 0)
        return -errno;
    length = sizeof value;
    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &length);
    *after = value;
    return 0;
}

static int grow_pipe(int fd, int64_t size, int64_t *before, int64_t *after)
{
    *before = fcntl(fd, F_GETPIPE_SZ);
    if (*before < 0)
        return -errno;
    if (size <= 0)
        size = largest_pipe();
    if (size <= *before) {
        *after = *before;
        return 0;
    }
    int got = fcntl(fd, F_SETPIPE_SZ, (int)(size < INT32_MAX ? size : INT32_MAX));
    if (got < 0)
        return -errno;
    *after = got;
    return 0;
}

int rescue_grow(const struct rescue_target *target, int64_t size, int64_t *before, int64_t *after)
{
    long fd = borrowed_fd(target->writer, target->fd);
    if (fd < 0)
        return (int)fd;
    int result = (target->socket ? grow_socket : grow_pipe)((int)fd, size, before, after);
    close((int)fd);
    return result;
}

/* Does anybody who holds the reading end read it, or wait for it to have something? */
static bool reader_listens(const struct rescue_target *target, struct wait_graph *graph)
{
    struct fd_description description;
    struct wait_holder end;
    int64_t unread;
    int away;
    if (wait_graph_scan(graph) < 0 || fd_describe(target->writer, target->fd, &description) < 0 ||
        !wait_graph_other_end(graph, target->writer, &description, WAIT_FOR_SPACE, &end, &unread))
        return false;
    uint32_t count, first = wait_graph_holders(graph, end.key, &count);
    for (uint32_t i = first; i < first + count; i++) {
        const struct wait_holder *holder = &graph->holders[i];
        int pid = graph->processes[holder->process].pid;
        if (!(holder->access & end.access) || pid == getpid())
            continue;
        wait_graph_load(graph, pid);
        if (wait_graph_listens(graph, holder->process, end.key, &away))
            return true;
    }
    return false;
}

/* Everything that is in the pipe now. */
static int take_all(int from, int to, struct rescue_taken *taken)
{
    static char bytes[65536];
    for (;;) {
        ssize_t got = read(from, bytes, sizeof bytes);
        if (got == 0)
            taken->writers_gone = true;
        if (got <= 0)
            return got == 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
        for (ssize_t done = 0; to >= 0 && done < got;) {
            ssize_t written = write(to, bytes + done, (size_t)(got - done));
            if (written < 0 && errno != EINTR)
                return -errno;
            done += written > 0 ? written : 0;
        }
        taken->bytes += (uint64_t)got;
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* A reading end of our own: it keeps the pipe from breaking while it is held, and no longer. */
static int open_reading_end(const struct rescue_target *target)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", target->writer, target->fd);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int rescue_take(const struct rescue_target *target, int to, uint64_t for_ns,
                struct rescue_taken *taken)
{
    struct diagnosis diagnosis;
    struct timespec pause = {0, (long)POLL_MS * NS_PER_MS};
    uint64_t end = for_ns ? now_ns() + for_ns : UINT64_MAX;
    int result = 0, from = open_reading_end(target);
    memset(taken, 0, sizeof *taken);
    if (from < 0)
        return from;
    if (!diagnosis_start(&diagnosis, NULL, 0)) {
        close(from);
        return -ENOMEM;
    }
    for (unsigned poll_number = 0; result == 0 && !taken->writers_gone; poll_number++) {
        int stuck = rescue_target_is_stuck(target);
        if (stuck < 0)
            taken->writers_gone = true; /* what is left in the pipe is its reader's */
        else if (poll_number % POLLS_A_SCAN == 0 && reader_listens(target, &diagnosis.graph))
            taken->reader_is_back = true;
        else if (now_ns() >= end)
            taken->time_is_over = true;
        else if (stuck == 1)
            result = take_all(from, to, taken);
        if (taken->reader_is_back || taken->time_is_over)
            break;
        nanosleep(&pause, NULL);
    }
    diagnosis_end(&diagnosis);
    close(from);
    return result;
}
