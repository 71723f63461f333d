// SPDX-License-Identifier: MIT
#include "drain/turn.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/raw_syscall.h"

enum { SENDS = 's', WAITS = '0', WAITING_LIMIT = 8 };

struct name {
    struct sockaddr_un address;
    uint32_t size;
};

/* "\0pipeshim-drain-DEVICE-INODE-WHAT", the numbers in hexadecimal; WHAT is SENDS, or a digit of
 * those that wait. Also for the helper, which has no libc. */
static void make_name(struct name *name, uint64_t device, uint64_t inode, int what)
{
    static const char prefix[] = "pipeshim-drain-";
    enum { TOP_DIGIT = 60 };
    char *at = name->address.sun_path;
    name->address.sun_family = AF_UNIX;
    *at++ = 0;
    for (const char *from = prefix; *from; from++)
        *at++ = *from;
    for (int shift = TOP_DIGIT; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[device >> shift & 15];
    *at++ = '-';
    for (int shift = TOP_DIGIT; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[inode >> shift & 15];
    *at++ = '-';
    *at++ = (char)what;
    name->size = (uint32_t)(at - (char *)&name->address);
}

static int new_socket(void)
{
    return (int)raw_syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* A socket bound to the name, or -errno. */
static int bound_socket(uint64_t device, uint64_t inode, int what)
{
    struct name name;
    int made = new_socket();
    if (made < 0)
        return made;
    make_name(&name, device, inode, what);
    long result = raw_syscall(SYS_bind, made, &name.address, name.size);
    if (result == 0)
        return made;
    raw_syscall(SYS_close, made);
    return (int)result;
}

static bool is_in_use(uint64_t device, uint64_t inode, int what)
{
    int probe = bound_socket(device, inode, what);
    if (probe >= 0)
        raw_syscall(SYS_close, probe);
    return probe == -EADDRINUSE;
}

bool turn_is_taken(uint64_t device, uint64_t inode)
{
    return is_in_use(device, inode, SENDS);
}

bool turn_is_waited_for(uint64_t device, uint64_t inode)
{
    bool waited = false;
    for (int i = 0; i < WAITING_LIMIT && !waited; i++)
        waited = is_in_use(device, inode, WAITS + i);
    return waited;
}

/* Any user can take any name. */
static bool is_of_our_user(int connection)
{
    struct ucred peer = {0, (uid_t)-1, 0};
    uint32_t size = sizeof peer;
    return raw_syscall(SYS_getsockopt, connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == (uid_t)raw_syscall(SYS_geteuid) || peer.uid == 0);
}

union descriptor_message {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

static struct msghdr message_of(union descriptor_message *control, struct iovec *byte)
{
    return (struct msghdr){.msg_iov = byte,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof *control};
}

/* The listening socket of the helper before us, or -1: it has died. */
static int wait_for_it(int connection)
{
    char nothing;
    struct iovec byte = {&nothing, 1};
    union descriptor_message control = {.header = {0}};
    struct msghdr message = message_of(&control, &byte);
    long got;
    while ((got = raw_syscall(SYS_recvmsg, connection, &message, MSG_CMSG_CLOEXEC)) == -EINTR) {
    }
    if (got != 1 || message.msg_controllen < CMSG_LEN(sizeof(int)) ||
        control.header.cmsg_type != SCM_RIGHTS)
        return -1;
    return *(int *)(void *)CMSG_DATA(&control.header);
}

static void close_end(int *end)
{
    if (*end >= 0)
        raw_syscall(SYS_close, *end);
    *end = -1;
}

/* True: the place is taken, or there is none to be had; false: the one before us is just leaving,
 * or does not listen yet. */
static bool try_to_join(struct turn *turn)
{
    struct name name;
    turn->socket = bound_socket(turn->device, turn->inode, SENDS);
    if (turn->socket != -EADDRINUSE) {
        turn->taken = true;
        if (turn->socket >= 0 && raw_syscall(SYS_listen, turn->socket, SOMAXCONN) != 0)
            close_end(&turn->socket);
        return true;
    }
    turn->socket = new_socket();
    make_name(&name, turn->device, turn->inode, SENDS);
    if (turn->socket < 0)
        return turn->taken = true;
    if (raw_syscall(SYS_connect, turn->socket, &name.address, name.size) != 0) {
        close_end(&turn->socket);
        return false;
    }
    if (!is_of_our_user(turn->socket)) {
        close_end(&turn->socket);
        return turn->taken = true;
    }
    for (int i = 0; i < WAITING_LIMIT && turn->waits < 0; i++)
        turn->waits = bound_socket(turn->device, turn->inode, WAITS + i);
    return true;
}

void turn_join(struct turn *turn, uint64_t device, uint64_t inode)
{
    enum { TRIES = 1000, LOOK_AGAIN_NS = NS_PER_MS / 10 };
    *turn = (struct turn){device, inode, -1, -1, false};
    for (int tries = 0; tries < TRIES && !try_to_join(turn); tries++) {
        struct timespec moment = {0, LOOK_AGAIN_NS};
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
    turn->taken |= turn->socket < 0;
}

void turn_wait(struct turn *turn)
{
    while (!turn->taken) {
        int passed = wait_for_it(turn->socket);
        close_end(&turn->socket);
        turn->socket = passed;
        turn->taken = passed >= 0;
        close_end(&turn->waits);
        if (!turn->taken) /* the one before us has died */
            turn_join(turn, turn->device, turn->inode);
    }
}

static bool send_descriptor(int connection, int descriptor)
{
    char nothing = 0;
    struct iovec byte = {&nothing, 1};
    union descriptor_message control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct msghdr message = message_of(&control, &byte);
    *(int *)(void *)CMSG_DATA(&control.header) = descriptor;
    return raw_syscall(SYS_sendmsg, connection, &message, MSG_NOSIGNAL) == 1;
}

bool turn_is_wanted(const struct turn *turn)
{
    struct pollfd waiting = {turn->socket, POLLIN, 0};
    struct timespec at_once = {0, 0};
    return turn->socket >= 0 && raw_syscall(SYS_ppoll, &waiting, 1, &at_once, 0, 8) == 1;
}

void turn_pass(struct turn *turn)
{
    bool passed = false;
    while (!passed && turn_is_wanted(turn)) {
        long next = raw_syscall(SYS_accept4, turn->socket, 0, 0, SOCK_CLOEXEC);
        if (next < 0)
            break;
        passed = is_of_our_user((int)next) && send_descriptor((int)next, turn->socket);
        raw_syscall(SYS_close, next);
    }
    close_end(&turn->socket);
}
