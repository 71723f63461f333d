// SPDX-License-Identifier: MIT
/* One question about sockets to the kernel: sock_diag(7). */
#ifndef PIPESHIM_KERNEL_SOCK_DIAG_H
#define PIPESHIM_KERNEL_SOCK_DIAG_H

#include <stddef.h>

enum { SOCKET_CONNECTING = 2, SOCKET_LISTENING = 10 }; /* TCP_LISTEN, which AF_UNIX uses as well */

/* Sends a request with its netlink header, and takes the first datagram of the answer. Returns its
 * length, or -errno. What it says is for the caller to check. */
long sock_diag_ask(const void *question, size_t size, char *answer, size_t capacity);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
