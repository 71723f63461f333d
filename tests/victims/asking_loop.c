// SPDX-License-Identifier: MIT
/* asking_loop MODE TURNS: asks its epoll with timeout 0 on each turn, and never sleeps in it.
 * work      120 ms of work each turn: an event loop that is late from its first turn on
 * sleep     the same time asleep, now and then a question: none
 * guest     work, and another thread sleeps on the epoll, as in trio's guest mode: none */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { TURN_NS = 120000000 };

static int set;

static void *sleep_on_it(void *unused)
{
    struct epoll_event event;
    for (;;)
        epoll_wait(set, &event, 1, 50);
    return unused;
}

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void work(void)
{
    for (long long until = now_ns() + TURN_NS; now_ns() < until;)
        ;
}

int main(int count, char **arguments)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct timespec turn = {0, TURN_NS};
    pthread_t thread;
    int ends[2];
    if (count < 3 || pipe(ends) != 0)
        return 2;
    set = epoll_create1(0);
    if (epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) != 0)
        return 2;
    if (strcmp(arguments[1], "guest") == 0 && pthread_create(&thread, NULL, sleep_on_it, NULL) != 0)
        return 2;
    for (int i = 0; i < atoi(arguments[2]); i++) {
        if (strcmp(arguments[1], "sleep") == 0)
            nanosleep(&turn, NULL);
        else
            work();
        if (epoll_wait(set, &event, 1, 0) != 0)
            return 3;
    }
    return 0;
}
