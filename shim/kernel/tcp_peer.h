// SPDX-License-Identifier: MIT
/*
 * The other end of a TCP connection on this machine, by questions for one socket each
 * (sock_diag(7), inet_diag, Linux 3.3). /proc/net/tcp, which needs no right, has all sockets of the
 * host: a look that read it for each of 2,000 connections took half a CPU (docs/cost.md).
 */
#ifndef PIPESHIM_KERNEL_TCP_PEER_H
#define PIPESHIM_KERNEL_TCP_PEER_H

#include <stdint.h>

/* `*peer`: the inode of the other end of a connection, or of the socket that would accept it; 0: no
 * process of the caller's network namespace has it. `inode` is the descriptor's own socket. Returns
 * 0, or -errno where that cannot be told, and inet_socket_read() may know: -ENOTCONN,
 * -EPROTONOSUPPORT (no TCP), -ENOENT (the socket is of another namespace, or the kernel has no
 * inet_diag), -EPERM. */
long tcp_peer_find(int pid, int fd, uint64_t inode, uint64_t *peer);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
