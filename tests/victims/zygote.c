// SPDX-License-Identifier: MIT
/*
 * A forked child whose first call is made by a new thread, an event loop, while the first thread
 * goes on with the calls that it made before the fork: Chromium's processes, which its zygote
 * makes. The loop is idle for as long as the first thread writes.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TURNS = 40, IDLE_MS = 400, CALLS_BEFORE = 400 };

static atomic_int is_loop, is_over;

static void *loop(void *unused)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, eventfd(0, 0), &event);
    for (int i = 0; i < TURNS; i++)
        epoll_wait(epoll, &event, 1, 2);
    atomic_store(&is_loop, 1);
    epoll_wait(epoll, &event, 1, IDLE_MS);
    atomic_store(&is_over, 1);
    return unused;
}

int main(void)
{
    pthread_t thread;
    int null = open("/dev/null", O_WRONLY);
    for (int i = 0; i < CALLS_BEFORE; i++)
        (void)!write(null, "x", 1);
    pid_t child = fork();
    if (child != 0)
        return waitpid(child, NULL, 0) == child ? 0 : 1;
    pthread_create(&thread, NULL, loop, NULL);
    while (!atomic_load(&is_loop))
        sched_yield();
    while (!atomic_load(&is_over)) {
        (void)!write(null, "x", 1);
        sched_yield();
    }
    pthread_join(thread, NULL);
    return 0;
}
