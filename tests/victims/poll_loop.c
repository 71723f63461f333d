// SPDX-License-Identifier: MIT
/*
 * A loop on poll() that stands still for half a second now and then, ROUNDS times.
 * poll_loop BEFORE SET ROUNDS
 *   BEFORE  plain; asked: main has asked poll() once, as Rust's start does; waited: main has waited
 *           in it once, from less deep in the stack than the loop
 *   SET     what it waits for: wake (an eventfd), accept (a listening socket and an own pipe),
 *           connection (a listening socket and a connection)
 */
#include <err.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct pollfd set[2];

static int check(int result, const char *what)
{
    if (result < 0)
        err(1, "%s", what);
    return result;
}

static void make_set(const char *name)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int ends[2];
    set[0].events = set[1].events = POLLIN;
    set[1].fd = -1;
    if (!strcmp(name, "wake")) {
        set[0].fd = check(eventfd(0, 0), "eventfd");
        return;
    }
    set[0].fd = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
    check(bind(set[0].fd, (struct sockaddr *)&address, size), "bind");
    check(listen(set[0].fd, 4), "listen");
    if (!strcmp(name, "accept")) {
        check(pipe(ends), "pipe");
        set[1].fd = ends[0];
        return;
    }
    check(getsockname(set[0].fd, (struct sockaddr *)&address, &size), "getsockname");
    check(connect(check(socket(AF_INET, SOCK_STREAM, 0), "socket"), (struct sockaddr *)&address,
                  size),
          "connect");
    set[1].fd = check(accept(set[0].fd, NULL, NULL), "accept");
}

__attribute__((noinline)) static void blocked_here(void)
{
    struct timespec half_a_second = {0, 500000000};
    nanosleep(&half_a_second, NULL);
}

/* Its frame is large: the loop waits much deeper than main did. */
__attribute__((noinline)) static void loop(long rounds)
{
    char frame[4096];
    memset(frame, 0, sizeof frame);
    __asm__ volatile("" : : "r"(frame) : "memory");
    for (long round = 0; round < rounds; round++) {
        for (unsigned turn = 0; turn < 50; turn++)
            check(poll(set, 2, 10), "poll");
        blocked_here();
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        errx(2, "usage: poll_loop plain|asked|waited wake|accept|connection ROUNDS");
    make_set(argv[2]);
    if (!strcmp(argv[1], "asked"))
        check(poll(NULL, 0, 0), "poll");
    if (!strcmp(argv[1], "waited"))
        for (unsigned i = 0; i < 5; i++)
            check(poll(NULL, 0, 1), "poll");
    loop(strtol(argv[3], NULL, 10));
    return 0;
}
