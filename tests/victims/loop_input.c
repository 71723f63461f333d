// SPDX-License-Identifier: MIT
/* An event loop, blocked by a pipe, a socket, or a readiness wait of its callback. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "event_loop.h"

/* --- Pipes and sockets --- */

static void do_read(void)
{
    char buffer[16];
    check((int)read(0, buffer, sizeof buffer), "read");
}

static void do_write(void)
{
    static char data[300000];
    check((int)write(1, data, argument[0] ? 100 : sizeof data), "write");
}

static struct sockaddr_in loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtol(argument, NULL, 10))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int connected(void)
{
    struct sockaddr_in address = loopback();
    int fd = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
    check(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
    return fd;
}

static void do_recv(void)
{
    char buffer[16];
    check((int)recv(connected(), buffer, sizeof buffer, 0), "recv");
}

static void do_recvfrom(void)
{
    char buffer[16];
    check((int)recvfrom(connected(), buffer, sizeof buffer, 0, NULL, NULL), "recvfrom");
}

static void do_recvmsg(void)
{
    char buffer[16];
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    check((int)recvmsg(connected(), &message, 0), "recvmsg");
}

/* Until the peer reads, or goes away. */
static void do_send(void)
{
    static char data[16 << 20];
    send(connected(), data, sizeof data, MSG_NOSIGNAL);
}

/* The listener's backlog is full; the connection comes, or is refused when the listener goes. */
static void do_connect(void)
{
    struct sockaddr_in address = loopback();
    int fd = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
    (void)!connect(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
}

static int listening(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", argument);
    int fd = check(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
    check(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(fd, 1), "listen");
    return fd;
}

static void do_accept(void)
{
    close(check(accept(listening(), NULL, NULL), "accept"));
}

static void do_accept4(void)
{
    close(check(accept4(listening(), NULL, NULL, SOCK_CLOEXEC), "accept4"));
}

/* --- Nested readiness waits --- */

static void wait_readable(int fd)
{
    struct pollfd wanted = {fd, POLLIN, 0};
    check(poll(&wanted, 1, 60000), "poll");
}

static void do_poll_input(void)
{
    wait_readable(0);
}

static void do_ppoll_input(void)
{
    struct pollfd wanted = {0, POLLIN, 0};
    check(ppoll(&wanted, 1, NULL, NULL), "ppoll");
}

static void do_select_input(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(0, &set);
    check(select(1, &set, NULL, NULL, NULL), "select");
}

static void do_pselect_input(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(0, &set);
    check(pselect(1, &set, NULL, NULL, NULL, NULL), "pselect");
}

static void do_epoll_input(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = check(epoll_create1(0), "epoll_create1");
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event), "epoll_ctl");
    check(epoll_wait(epoll, &event, 1, -1), "epoll_wait");
    close(epoll);
}

static void do_poll_recv(void)
{
    int fd = connected();
    fcntl(fd, F_SETFL, O_NONBLOCK);
    wait_readable(fd);
}

static void do_poll_connect(void)
{
    struct sockaddr_in address = loopback();
    int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    (void)!connect(fd, (struct sockaddr *)&address, sizeof address);
    struct pollfd wanted = {fd, POLLOUT, 0};
    check(poll(&wanted, 1, 60000), "poll");
    close(fd);
}

static void do_poll_child(void)
{
    int ends[2];
    check(pipe2(ends, O_CLOEXEC), "pipe2");
    pid_t pid = start_child(ends[1]);
    close(ends[1]);
    wait_readable(ends[0]);
    close(ends[0]);
    waitpid(pid, NULL, 0);
}

static const struct mode modes[] = {MODE(read),          MODE(write),       MODE(recv),
                                    MODE(recvfrom),      MODE(recvmsg),     MODE(send),
                                    MODE(connect),       MODE(accept),      MODE(accept4),
                                    MODE(poll_input),    MODE(ppoll_input), MODE(select_input),
                                    MODE(pselect_input), MODE(epoll_input), MODE(poll_recv),
                                    MODE(poll_connect),  MODE(poll_child),  {NULL, NULL}};

int main(int count, char **arguments)
{
    return run_loop(modes, count, arguments);
}
