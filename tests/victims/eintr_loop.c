// SPDX-License-Identifier: MIT
/*
 * A loop that computes for longer than its lag threshold and then makes short calls that sleep;
 * counts the calls that return EINTR, which nothing here can cause. It ends with its stdin.
 *   eintr_loop [timer]
 *
 * With `timer` it forbids itself perf_event_open, as containers do.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static unsigned long calls;
static unsigned long interrupted;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void count(long result)
{
    calls++;
    if (result < 0 && errno == EINTR)
        interrupted++;
}

static void forbid_perf_events(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0)
        abort();
}

__attribute__((noinline)) static void compute(double length)
{
    for (double end = seconds() + length; seconds() < end;)
        ;
}

int main(int argument_count, char **unused)
{
    struct epoll_event event;
    struct timespec moment = {0, 200000};
    int loop = epoll_create1(0);
    int ends[2];
    (void)unused;
    if (argument_count > 1)
        forbid_perf_events();
    if (pipe(ends) < 0)
        abort();
    struct pollfd nothing = {.fd = ends[0], .events = POLLIN};
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&input, 1, 0) == 0) {
        count(epoll_wait(loop, &event, 1, 1));
        for (int i = 0; i < 40; i++) {
            compute(0.002);
            count(ppoll(&nothing, 1, &moment, NULL));
            count(nanosleep(&moment, NULL));
            count(poll(&nothing, 1, 0));
        }
    }
    printf("%lu calls, %lu interrupted\n", calls, interrupted);
    return interrupted != 0;
}
