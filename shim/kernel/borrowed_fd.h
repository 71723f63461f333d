// SPDX-License-Identifier: MIT
/*
 * Questions to a descriptor of another process, or of one's own process from a thread that does not
 * share its descriptor table.
 *
 * pidfd_getfd(2) (Linux 5.6, needs the right to trace) duplicates the descriptor for the few
 * microseconds of the question. Opening /proc/PID/fd/N instead would make a new end of a pipe, with
 * its own share in the counts of readers and writers; the duplicate shares the old one.
 */
#ifndef PIPESHIM_KERNEL_BORROWED_FD_H
#define PIPESHIM_KERNEL_BORROWED_FD_H

#include <stdbool.h>
#include <stdint.h>

struct pipe_fill {
    int64_t used;     /* bytes, FIONREAD; -1 unknown */
    int64_t capacity; /* bytes, F_GETPIPE_SZ; -1 unknown */
    int full;         /* 1, 0; -1 unknown: asked through the reading end, which cannot tell */
    bool nonblocking; /* O_NONBLOCK on the description that was asked */
};

/* The duplicate itself, close-on-exec, for the caller to close, or -errno as below. */
long borrowed_fd(int pid, int fd);

/* Asks one end of a pipe or FIFO; a socket gives only `used` of its own receive queue. `full` is
 * asked of a pipe that somebody waits for only: poll() is the one way, and from the first poll() on
 * the kernel (5.14, pipe->poll_usage) wakes a pipe's readers at each write, which makes a small
 * write a fifth dearer for good. Returns 0, or -errno: -EPERM, -ESRCH, -EBADF, -ENOSYS;
 * or what proc_is_no_answer() knows.
 * Async-signal-safe. */
long borrowed_pipe_fill(int pid, int fd, bool somebody_waits, struct pipe_fill *fill);

/* Bytes that wait to be read from a descriptor (FIONREAD): of a terminal's master, what its holder
 * has not read. -errno when it may not be asked. */
int64_t borrowed_unread(int pid, int fd);

struct socket_state {
    int family;     /* SO_DOMAIN (Linux 2.6.32): AF_UNIX, AF_INET, … */
    int type;       /* SO_TYPE: SOCK_STREAM, … */
    bool listening; /* SO_ACCEPTCONN */
    int64_t unread; /* bytes, FIONREAD; -1 unknown, as of one that listens */
};

/* Asks a socket itself. Who is at its other end is for kernel/socket_peers.h, which asks all
 * sockets of the host. 0, or -errno as borrowed_pipe_fill(); -ENOTSOCK. */
long borrowed_socket_state(int pid, int fd, struct socket_state *state);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
