// SPDX-License-Identifier: MIT
/*
 * Who is at the other end of a socket: AF_UNIX through sock_diag(7), TCP on this machine through
 * /proc/PID/net/tcp and tcp6 (of the network namespace of that process). Raw system calls, bounded
 * work, async-signal-safe.
 */
#ifndef PIPESHIM_KERNEL_SOCKET_PEERS_H
#define PIPESHIM_KERNEL_SOCKET_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts/object_facts.h"

struct unix_socket {
    bool stream;
    bool listening;
    uint64_t peer;       /* inode of the other end; 0: not connected, or it is closed */
    int64_t unread;      /* bytes in its receive queue; -1 unknown */
    int64_t queued;      /* memory that its unread messages occupy; -1 unknown */
    int64_t queue_limit; /* the memory at which a blocking send waits (SO_SNDBUF); -1 unknown */
    char name[ADDRESS_LIMIT]; /* "unix:/run/x", "unix:@abstract"; empty: unnamed */
};
/* 0 or -errno: -ENOENT when there is no AF_UNIX socket of that inode in the network namespace of
 * the caller. */
long unix_socket_read(uint64_t inode, struct unix_socket *socket);

/* What the kernel (sock_diag(7)) has answered; a socket's name is its owner's choice. 0 or -errno.
 */
long unix_socket_answer(struct unix_socket *socket, const char *answer, size_t length);

/* Whether a sender has to wait: 1 yes, 0 no, -1 unknown. What counts is the memory of the unread
 * messages, their headers included; a sender goes to sleep when it reaches the send buffer
 * (sock_alloc_send_pskb) and is woken when only a quarter is left (unix_writable): in between it
 * depends on whether it sleeps. */
int unix_socket_full(const struct unix_socket *socket);

struct inet_socket {
    const char *family; /* "inet", "inet6" */
    bool listening;
    bool connected;  /* or about to be: */
    bool connecting; /* its SYN is not answered yet */
    char local[ADDRESS_LIMIT], remote[ADDRESS_LIMIT];
    uint64_t peer; /* inode of the other end, or of the socket that would accept it, when that is on
                    * this machine; 0 not found */
};
/* A TCP socket of a process. 0 or -ENOENT. */
long inet_socket_read(int pid, uint64_t inode, struct inet_socket *socket);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
