// SPDX-License-Identifier: MIT
#include "kernel/sock_diag.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "base/raw_syscall.h"

long sock_diag_ask(const void *question, size_t size, char *answer, size_t capacity)
{
    long fd = raw_syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return fd;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    long result = raw_syscall(SYS_sendto, fd, question, size, 0, &kernel, sizeof kernel);
    /* The kernel has answered before sendto returns: nothing here can wait. */
    if (result >= 0)
        result = raw_syscall(SYS_recvfrom, fd, answer, capacity, MSG_DONTWAIT, 0, 0);
    raw_syscall(SYS_close, fd);
    return result;
}
