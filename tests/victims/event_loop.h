// SPDX-License-Identifier: MIT
/*
 * An event loop on epoll that is blocked once by a call of the program's choice:
 *   PROGRAM MODE [ARGUMENT]
 * The loop turns by a timer, makes the call, and turns on until stdin has ended. What ends the call
 * is in the hands of the test: mostly the end of stdin.
 */
#ifndef VICTIMS_EVENT_LOOP_H
#define VICTIMS_EVENT_LOOP_H

#include <err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { TURNS_BEFORE = 30, TURNS_AFTER = 10, TURN_MS = 5 };

struct mode {
    const char *name;
    void (*call)(void);
};
#define MODE(name)                                                                                 \
    {                                                                                              \
#name, do_##name                                                                           \
    }

static const char *argument = "";

static int check(int result, const char *what)
{
    if (result < 0)
        err(1, "%s", what);
    return result;
}

/* A child that ends when stdin has ended. */
static inline pid_t start_child(int output)
{
    pid_t pid = check(fork(), "fork");
    if (pid == 0) {
        if (output >= 0)
            dup2(output, 1);
        execlp("cat", "cat", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void on_request(const struct mode *modes, const char *name)
{
    for (; modes->name; modes++) {
        if (!strcmp(modes->name, name)) {
            modes->call();
            return;
        }
    }
    errx(64, "no such mode: %s", name);
}

static void turn(int epoll, int timer)
{
    struct epoll_event event;
    unsigned long long count;
    if (check(epoll_wait(epoll, &event, 1, -1), "epoll_wait") == 1)
        check((int)read(timer, &count, sizeof count), "read of the timer");
}

/* The loop idles: a long wait, which is its good right. */
static void turn_until_input_ends(int epoll, int timer)
{
    struct itimerspec never = {0};
    struct epoll_event event = {.events = EPOLLIN};
    char buffer[16];
    check(timerfd_settime(timer, 0, &never, NULL), "timerfd_settime");
    check(epoll_ctl(epoll, EPOLL_CTL_DEL, timer, NULL), "epoll_ctl");
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event), "epoll_ctl");
    do
        check(epoll_wait(epoll, &event, 1, -1), "epoll_wait");
    while (read(0, buffer, sizeof buffer) > 0);
}

static int run_loop(const struct mode *modes, int count, char **arguments)
{
    if (count < 2)
        errx(64, "usage: %s MODE [ARGUMENT]", arguments[0]);
    if (count > 2)
        argument = arguments[2];
    int epoll = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    int timer = check(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create");
    struct timespec period = {0, TURN_MS * 1000000L};
    struct itimerspec setting = {period, period};
    struct epoll_event event = {.events = EPOLLIN};
    check(timerfd_settime(timer, 0, &setting, NULL), "timerfd_settime");
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event), "epoll_ctl");
    for (int i = 0; i < TURNS_BEFORE; i++)
        turn(epoll, timer);
    on_request(modes, arguments[1]);
    for (int i = 0; i < TURNS_AFTER; i++)
        turn(epoll, timer);
    turn_until_input_ends(epoll, timer);
    return 0;
}

#endif
