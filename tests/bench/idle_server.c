// SPDX-License-Identifier: MIT
/* A server that nobody asks: it has said what a server says at its start, and waits for ever. */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(void)
{
    static const char banner[5000];
    struct sockaddr_un any = {.sun_family = AF_UNIX}; /* the kernel chooses its name */
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(EPOLL_CLOEXEC);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (set < 0 || listener < 0 ||
        bind(listener, (struct sockaddr *)&any, sizeof any.sun_family) < 0 ||
        listen(listener, 5) < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) < 0 ||
        write(STDERR_FILENO, banner, sizeof banner) < 0)
        return 1;
    for (;;)
        epoll_wait(set, &event, 1, -1);
}
