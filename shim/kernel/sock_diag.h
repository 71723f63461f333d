// SPDX-License-Identifier: MIT
/* Questions about sockets to the kernel: sock_diag(7). */
#ifndef PIPESHIM_KERNEL_SOCK_DIAG_H
#define PIPESHIM_KERNEL_SOCK_DIAG_H

#include <linux/netlink.h>
#include <stddef.h>

enum { SOCKET_CONNECTING = 2, SOCKET_LISTENING = 10 }; /* TCP_LISTEN, which AF_UNIX uses as well */

/* Sends a request with its netlink header, and takes the first datagram of the answer. Returns its
 * length, or -errno. What it says is for the caller to check. */
long sock_diag_ask(const void *question, size_t size, char *answer, size_t capacity);

/* Bytes: the kernel's parts are that large at most, unless it is given a larger buffer
 * (netlink_dump of Linux 3.13 and later). */
enum { SOCK_DIAG_PART = 8192 };

/* Of one message of an answer; `body` is what follows its header. */
typedef void (*sock_diag_take)(void *context, const struct nlmsghdr *header, const char *body,
                               size_t length);

/* Sends a request for all sockets of a kind, and has `take` called for each message. `answer` is
 * memory for that. Returns 0 at the answer's end, or -errno. */
long sock_diag_dump(const void *question, size_t size, char answer[SOCK_DIAG_PART],
                    sock_diag_take take, void *context);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
