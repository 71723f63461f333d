// SPDX-License-Identifier: MIT
#include "cli/rescue/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/diagnose/scan.h"
#include "kernel/object_reader.h"
#include "kernel/proc_reader.h"

enum { DEFAULT_PIPE_MAX = 1 << 20 }; /* the kernel's */
enum { POLL_MS = 20, POLLS_A_SCAN = 10, DEFAULT_SOCKET_BYTES = 1 << 20 };

static int64_t sysctl_of(const char *name)
{
    char path[PROC_PATH_LIMIT];
    char text[32];
    snprintf(path, sizeof path, "/proc/sys/%s", name);
    return proc_read(path, text, sizeof text) > 0 ? strtoll(text, NULL, 10) : 0;
}

static int64_t largest_pipe(void)
{
    int64_t size = sysctl_of("fs/pipe-max-size");
    return size > 0 ? size : DEFAULT_PIPE_MAX;
}

static void note_limit(struct rescue_growth *growth, const char *name, const char *path)
{
    growth->limit = name;
    growth->limit_value = sysctl_of(path);
}

/* A sender of an AF_UNIX stream waits for its own buffer; raising that wakes it (socket(7)). */
static int grow_socket(int fd, int64_t size, struct rescue_growth *growth)
{
    int value = 0, wanted = (int)(size > 0 && size < INT32_MAX ? size : DEFAULT_SOCKET_BYTES);
    socklen_t length = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &length) != 0)
        return -errno;
    growth->before = growth->after = value;
    if (wanted <= value / 2) /* the kernel counts twice what is asked for */
        return 0;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) != 0) {
        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) != 0)
            return -errno;
        note_limit(growth, "net.core.wmem_max", "net/core/wmem_max");
    }
    length = sizeof value;
    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &length);
    growth->after = value;
    if (value / 2 >= wanted)
        growth->limit = NULL;
    return 0;
}

/* One size, as fcntl() does it; -EPERM: a limit of this user. */
static int set_size(int fd, int64_t size)
{
    int got = fcntl(fd, F_SETPIPE_SZ, (int)size);
    return got < 0 ? -errno : got;
}

/* The largest that is allowed, to a page's half-way: all of a user's pipes share two bounds of
 * pages. */
static int grow_pipe(int fd, int64_t size, struct rescue_growth *growth)
{
    int64_t most = largest_pipe();
    growth->before = growth->after = fcntl(fd, F_GETPIPE_SZ);
    if (growth->before < 0)
        return -errno;
    if (size <= 0)
        size = most;
    if (size > growth->before && size > most && set_size(fd, size) == -EPERM) {
        size = most;
        note_limit(growth, "fs.pipe-max-size", "fs/pipe-max-size");
    }
    for (; size > growth->before; size /= 2) {
        int got = set_size(fd, size);
        if (got > 0) {
            growth->after = got;
            return 0;
        }
        if (got != -EPERM && got != -ENOMEM)
            return got;
        if (got == -EPERM)
            note_limit(growth, "fs.pipe-user-pages-soft", "fs/pipe-user-pages-soft");
    }
    return 0;
}

int rescue_grow(const struct rescue_target *target, int64_t size, struct rescue_growth *growth)
{
    memset(growth, 0, sizeof *growth);
    int fd = rescue_target_open(target);
    if (fd < 0)
        return fd;
    int result = (target->socket ? grow_socket : grow_pipe)(fd, size, growth);
    close(fd);
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

enum { PIECE = 65536 };

/* Into a file that cannot be spliced to. What it does not take is lost, so it is asked for its
 * space before. */
static ssize_t copy(int from, int to)
{
    static char bytes[PIECE];
    off_t at = lseek(to, 0, SEEK_CUR);
    int error = at >= 0 ? posix_fallocate(to, at, PIECE) : 0;
    if (error != 0 && error != EOPNOTSUPP && error != EINVAL) {
        errno = error;
        return -1;
    }
    ssize_t got = read(from, bytes, sizeof bytes);
    for (ssize_t done = 0; done < got;) {
        ssize_t written = write(to, bytes + done, (size_t)(got - done));
        if (written < 0 && errno != EINTR)
            return -1;
        done += written > 0 ? written : 0;
    }
    if (at >= 0 && error == 0 && ftruncate(to, at + (got > 0 ? got : 0)) != 0)
        return -1;
    return got;
}

/* What the pipe holds, or a part of it. A full disk takes nothing from the pipe. */
static ssize_t take_some(int from, int to)
{
    static char bytes[PIECE];
    if (to < 0)
        return read(from, bytes, sizeof bytes);
    ssize_t moved = splice(from, NULL, to, NULL, PIECE, SPLICE_F_NONBLOCK);
    return moved < 0 && errno == EINVAL ? copy(from, to) : moved;
}

/* Everything that is in the pipe now. */
static int take_all(int from, int to, struct rescue_taken *taken)
{
    for (;;) {
        ssize_t got = take_some(from, to);
        if (got == 0)
            taken->writers_gone = true;
        if (got == 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
            return 0;
        taken->file_failed = got < 0 && to >= 0;
        if (got < 0)
            return -errno;
        taken->bytes += (uint64_t)got;
    }
}

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* So that what was taken until then is told. */
static void hear_signals(void)
{
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
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
    hear_signals();
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
        else if (interrupted)
            taken->interrupted = true;
        else if (stuck == 1)
            result = take_all(from, to, taken);
        if (taken->reader_is_back || taken->time_is_over || taken->interrupted)
            break;
        nanosleep(&pause, NULL);
    }
    diagnosis_end(&diagnosis);
    close(from);
    return result;
}
