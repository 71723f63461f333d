// SPDX-License-Identifier: MIT
/* Prints the nanoseconds of one turn of an event loop: epoll_wait, write of one byte to a pipe and
 * read of it, all of which return at once.   epoll_cycle [TURNS] */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int count, char **arguments)
{
    long turns = count > 1 ? atol(arguments[1]) : 1000000;
    int ends[2];
    char byte = 'x';
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (pipe(ends) != 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event) != 0 ||
        write(ends[1], &byte, 1) != 1)
        return 1;
    double begun = now_ns();
    for (long i = 0; i < turns; i++)
        if (epoll_wait(epoll, &event, 1, -1) != 1 || read(ends[0], &byte, 1) != 1 ||
            write(ends[1], &byte, 1) != 1)
            return 1;
    printf("%.2f\n", (now_ns() - begun) / (double)turns);
    return 0;
}
