// SPDX-License-Identifier: MIT
#include "explain/own_object.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/kernel_calls.h"
#include "base/raw_syscall.h"
#include "base/text_buffer.h"

enum { PIPE_SLOT_BYTES = 4096, TTY_SLAVE_MAJOR = 136, TTY_SLAVE_MAJORS = 8, TTY_MAJOR = 4 };

static long borrow(int fd)
{
    long process = raw_syscall(SYS_pidfd_open, raw_syscall(SYS_getpid), 0);
    if (process < 0)
        return process;
    long borrowed = raw_syscall(SYS_pidfd_getfd, process, fd, 0);
    raw_syscall(SYS_close, process);
    return borrowed;
}

static void read_name(int tid, int fd, struct object_facts *facts)
{
    char path[64];
    struct text_buffer text;
    text_init(&text, path, sizeof path);
    text_string(&text, "/proc/self/task/");
    text_signed(&text, tid);
    text_string(&text, "/fd/");
    text_signed(&text, fd);
    long size = raw_syscall(SYS_readlinkat, AT_FDCWD, path, facts->name, sizeof facts->name - 1);
    facts->name[size > 0 ? size : 0] = '\0';
}

static enum object_kind kind_by_name(const char *name)
{
    if (strncmp(name, "pipe:", 5) == 0)
        return OBJECT_PIPE;
    if (strncmp(name, "socket:", 7) == 0)
        return OBJECT_SOCKET;
    if (strncmp(name, "/dev/pts/", 9) == 0 || strncmp(name, "/dev/tty", 8) == 0)
        return OBJECT_TTY;
    return name[0] == '/' ? OBJECT_FILE : name[0] ? OBJECT_OTHER : OBJECT_UNKNOWN;
}

static enum object_kind kind_of_socket(long fd)
{
    int domain = 0;
    int type = 0;
    socklen_t size = sizeof domain;
    raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    size = sizeof type;
    raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size);
    return domain == AF_UNIX && type == SOCK_STREAM ? OBJECT_SOCKETPAIR : OBJECT_SOCKET;
}

static enum object_kind kind_of(long fd, const struct stat *status, const char *name)
{
    if (S_ISFIFO(status->st_mode))
        return strncmp(name, "pipe:", 5) == 0 ? OBJECT_PIPE : OBJECT_FIFO;
    if (S_ISSOCK(status->st_mode))
        return kind_of_socket(fd);
    if (S_ISCHR(status->st_mode)) {
        unsigned number = major(status->st_rdev);
        bool terminal = number == TTY_MAJOR ||
                        (number >= TTY_SLAVE_MAJOR && number < TTY_SLAVE_MAJOR + TTY_SLAVE_MAJORS);
        return terminal ? OBJECT_TTY : OBJECT_OTHER;
    }
    return S_ISREG(status->st_mode) || S_ISBLK(status->st_mode) ? OBJECT_FILE : OBJECT_OTHER;
}

static bool is_ready(long fd, short events)
{
    struct pollfd look = {.fd = (int)fd, .events = events};
    struct timespec now = {0, 0};
    return raw_syscall(SYS_ppoll, &look, 1, &now, 0, 8) == 1 && (look.revents & events);
}

static void look_into_pipe(long fd, bool writes, enum object_kind kind, struct pipe_facts *pipe)
{
    int bytes = 0;
    if (kind == OBJECT_SOCKETPAIR) {
        /* SIOCOUTQ: bytes sent that the peer has not read, with the kernel's overhead (unix(7)). */
        if (raw_syscall(SYS_ioctl, fd, writes ? SIOCOUTQ : FIONREAD, &bytes) == 0)
            pipe->used = bytes;
        pipe->full = writes ? !is_ready(fd, POLLOUT) : UNKNOWN_NUMBER;
        return;
    }
    if (raw_syscall(SYS_ioctl, fd, FIONREAD, &bytes) == 0)
        pipe->used = bytes;
    long capacity = raw_syscall(SYS_fcntl, fd, F_GETPIPE_SZ);
    if (capacity > 0) {
        pipe->capacity = capacity;
        pipe->slots = (int)(capacity / PIPE_SLOT_BYTES);
    }
    if (writes) {
        /* A pipe is writable while it has a slot left, however few bytes its slots hold. */
        pipe->full = !is_ready(fd, POLLOUT);
        if (pipe->full)
            pipe->slots_used = pipe->slots;
    }
    if (pipe->used == 0)
        pipe->slots_used = 0;
}

void own_object_facts(int tid, int fd, bool writes, struct object_facts *facts)
{
    memset(facts, 0, sizeof *facts);
    facts->pipe = (struct pipe_facts){.used = UNKNOWN_NUMBER,
                                      .capacity = UNKNOWN_NUMBER,
                                      .slots = UNKNOWN_NUMBER,
                                      .slots_used = UNKNOWN_NUMBER,
                                      .full = UNKNOWN_NUMBER,
                                      .role = writes ? "writer" : "reader"};
    facts->socket.peer_pid = UNKNOWN_NUMBER;
    if (fd < 0)
        return;
    read_name(tid, fd, facts);
    facts->kind = kind_by_name(facts->name);
    long borrowed = borrow(fd);
    if (borrowed < 0)
        return;
    struct stat status;
    if (raw_syscall(SYS_fstat, borrowed, &status) == 0) {
        facts->kind = kind_of(borrowed, &status, facts->name);
        facts->pipe.inode = status.st_ino;
        if (facts->kind == OBJECT_PIPE || facts->kind == OBJECT_FIFO ||
            facts->kind == OBJECT_SOCKETPAIR)
            look_into_pipe(borrowed, writes, facts->kind, &facts->pipe);
    }
    raw_syscall(SYS_close, borrowed);
}
