// SPDX-License-Identifier: MIT
#include "kernel/sock_diag.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/raw_syscall.h"

/* The descriptor from which the answer is read: the kernel has it before sendto returns, and its
 * next part before recvfrom does, so nothing here can wait. -errno. */
static long begin(const void *question, size_t size)
{
    long fd = raw_syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return fd;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    long result = raw_syscall(SYS_sendto, fd, question, size, 0, &kernel, sizeof kernel);
    if (result >= 0)
        return fd;
    raw_syscall(SYS_close, fd);
    return result;
}

long sock_diag_ask(const void *question, size_t size, char *answer, size_t capacity)
{
    long fd = begin(question, size);
    if (fd < 0)
        return fd;
    long result = raw_syscall(SYS_recvfrom, fd, answer, capacity, MSG_DONTWAIT, 0, 0);
    raw_syscall(SYS_close, fd);
    return result;
}

/* One datagram of several messages. 1: there are more. */
static long take_messages(const char *answer, size_t length, sock_diag_take take, void *context)
{
    struct nlmsghdr header;
    for (size_t at = 0; at + sizeof header <= length; at += NLMSG_ALIGN(header.nlmsg_len)) {
        memcpy(&header, answer + at, sizeof header);
        if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > length - at)
            return -EPROTO;
        if (header.nlmsg_type == NLMSG_DONE)
            return 0;
        if (header.nlmsg_type == NLMSG_ERROR)
            return -EPROTO;
        take(context, &header, answer + at + NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
    }
    return 1;
}

long sock_diag_dump(const void *question, size_t size, char answer[SOCK_DIAG_PART],
                    sock_diag_take take, void *context)
{
    long fd = begin(question, size);
    if (fd < 0)
        return fd;
    long result = 1;
    while (result > 0) {
        result = raw_syscall(SYS_recvfrom, fd, answer, SOCK_DIAG_PART, MSG_DONTWAIT, 0, 0);
        if (result > 0)
            result = take_messages(answer, (size_t)result, take, context);
    }
    raw_syscall(SYS_close, fd);
    return result;
}
