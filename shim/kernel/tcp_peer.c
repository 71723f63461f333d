// SPDX-License-Identifier: MIT
#include "kernel/tcp_peer.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/raw_syscall.h"
#include "kernel/borrowed_fd.h"
#include "kernel/sock_diag.h"

struct end {
    uint32_t address[4]; /* network byte order; of IPv4 the first alone */
    uint16_t port;       /* likewise */
};

struct connection {
    uint8_t family;
    struct end local, remote;
};

struct answer {
    unsigned state;
    uint64_t inode; /* 0: of a connection that nobody has accepted yet, or that is over */
};

/* An IPv6 socket with an IPv4 connection is found as one of IPv4, whatever its other end is. */
static bool take_end(const struct sockaddr_storage *from, struct end *end, uint8_t *family)
{
    const struct sockaddr_in *four = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
    *end = (struct end){.port = 0};
    *family = AF_INET;
    if (from->ss_family == AF_INET) {
        end->port = four->sin_port;
        end->address[0] = four->sin_addr.s_addr;
    } else if (from->ss_family == AF_INET6) {
        end->port = six->sin6_port;
        if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
            memcpy(end->address, &six->sin6_addr.s6_addr[12], sizeof end->address[0]);
        } else {
            memcpy(end->address, &six->sin6_addr, sizeof end->address);
            *family = AF_INET6;
        }
    }
    return end->port != 0;
}

static long ask_ends(long fd, struct connection *own)
{
    struct sockaddr_storage local, remote;
    socklen_t local_size = sizeof local, remote_size = sizeof remote, size = sizeof(int);
    int protocol = 0;
    uint8_t remote_family;
    long result = raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    if (result >= 0 && protocol != IPPROTO_TCP)
        return -EPROTONOSUPPORT;
    if (result >= 0)
        result = raw_syscall(SYS_getsockname, fd, &local, &local_size);
    if (result >= 0)
        result = raw_syscall(SYS_getpeername, fd, &remote, &remote_size);
    if (result < 0)
        return result;
    return take_end(&local, &own->local, &own->family) &&
                   take_end(&remote, &own->remote, &remote_family) && own->family == remote_family
               ? 0
               : -ENOTCONN;
}

static long read_ends(int pid, int fd, struct connection *own)
{
    long copy = borrowed_fd(pid, fd);
    if (copy < 0)
        return copy;
    long result = ask_ends(copy, own);
    raw_syscall(SYS_close, copy);
    return result;
}

static long take_answer(const char *text, size_t length, struct answer *answer)
{
    struct nlmsghdr header;
    struct inet_diag_msg body;
    int error = 0;
    if (length < NLMSG_HDRLEN + sizeof error)
        return -EPROTO;
    memcpy(&header, text, sizeof header);
    if (header.nlmsg_type == NLMSG_ERROR) {
        memcpy(&error, text + NLMSG_HDRLEN, sizeof error);
        return error < 0 ? error : -EPROTO;
    }
    if (length < NLMSG_HDRLEN + sizeof body)
        return -EPROTO;
    memcpy(&body, text + NLMSG_HDRLEN, sizeof body);
    *answer = (struct answer){.state = body.idiag_state, .inode = body.idiag_inode};
    return 0;
}

/* The one socket with these ends, as its own kernel sees them; where there is none, the listener
 * that would accept such a connection (inet_lookup() of the kernel). */
static long ask(uint8_t family, const struct end *local, const struct end *remote,
                struct answer *answer)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } question = {
        .header = {.nlmsg_len = sizeof question,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .body = {.sdiag_family = family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = UINT32_MAX,
                 .id = {.idiag_sport = local->port,
                        .idiag_dport = remote->port,
                        .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    memcpy(question.body.id.idiag_src, local->address, sizeof local->address);
    memcpy(question.body.id.idiag_dst, remote->address, sizeof remote->address);
    char text[1024] = {0};
    long result = sock_diag_ask(&question, sizeof question, text, sizeof text);
    return result < 0 ? result : take_answer(text, (size_t)result, answer);
}

/* Only an address of this machine: a listener of the same port says nothing of a remote one. */
static bool is_here(const struct connection *own)
{
    static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
    if (memcmp(own->local.address, own->remote.address, sizeof own->local.address) == 0)
        return true;
    return own->family == AF_INET ? ntohl(own->remote.address[0]) >> 24 == IN_LOOPBACKNET
                                  : memcmp(own->remote.address, &loopback, sizeof loopback) == 0;
}

long tcp_peer_find(int pid, int fd, uint64_t inode, uint64_t *peer)
{
    static const struct end nobody;
    struct connection own;
    struct answer answer;
    *peer = 0;
    long error = read_ends(pid, fd, &own);
    if (error == 0)
        error = ask(own.family, &own.local, &own.remote, &answer);
    if (error < 0)
        return error;
    if (answer.inode != inode) /* of another network namespace: so may be its other end */
        return -ENOENT;
    error = ask(own.family, &own.remote, &own.local, &answer);
    if (error == 0 && answer.state != SOCKET_LISTENING && answer.inode == 0) /* not accepted yet */
        error = ask(own.family, &own.remote, &nobody, &answer);
    if (error == 0 && (answer.state != SOCKET_LISTENING || is_here(&own)))
        *peer = answer.inode;
    return error == -ENOENT ? 0 : error;
}
