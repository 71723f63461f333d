// SPDX-License-Identifier: MIT
/* A server that nobody asks: it has said what a server says at its start, and waits for ever on a
 * socket of AF_UNIX, with the argument tcp on one of TCP. */
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static const char banner[5000];
    struct sockaddr_un any = {.sun_family = AF_UNIX}; /* the kernel chooses its name */
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(EPOLL_CLOEXEC);
    int family = argc > 1 && strcmp(argv[1], "tcp") == 0 ? AF_INET : AF_UNIX;
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (set < 0 || listener < 0 ||
        (family == AF_UNIX && bind(listener, (struct sockaddr *)&any, sizeof any.sun_family) < 0) ||
        listen(listener, 5) < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) < 0 ||
        write(STDERR_FILENO, banner, sizeof banner) < 0)
        return 1;
    for (;;)
        epoll_wait(set, &event, 1, -1);
}
