// SPDX-License-Identifier: MIT
/*
 * An event loop that computes for too long and forks meanwhile, while its stack is sampled by a
 * timer (it forbids itself perf_event_open, as containers do). The child makes a timer of its own,
 * which gets the number that the parent's has, is watched, and ends its watchdog by an exec that
 * fails. Says on stderr whether the child's timer is still there.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

/* This process's timers, as the kernel lists them (none of libc's). */
static int count_timers(void)
{
    char line[256];
    int count = 0;
    FILE *file = fopen("/proc/self/timers", "r");
    while (file && fgets(line, sizeof line, file))
        count += line[0] == 'I' && line[1] == 'D';
    if (file)
        fclose(file);
    return count;
}

static int in_child(void)
{
    static char block[200000];
    char *arguments[] = {(char *)"nothing", NULL};
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    struct itimerspec left;
    int timer;
    /* The numbers begin at 0: one of them is the parent's. */
    for (int i = 0; i < 4; i++)
        if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &none, &timer) != 0)
            return 1;
    int before = count_timers();
    if (write(1, block, sizeof block) != sizeof block) /* is read late: it is watched */
        return 2;
    execv("/nonexistent", arguments);
    fprintf(stderr, "timers %d of %d, last %d\n", count_timers(), before,
            syscall(SYS_timer_gettime, timer, &left) == 0);
    return 0;
}

int main(void)
{
    uint64_t once = 1;
    struct epoll_event event = {.events = EPOLLIN};
    int loop = epoll_create1(0);
    int wake = eventfd(0, 0);
    forbid_perf_events();
    epoll_ctl(loop, EPOLL_CTL_ADD, wake, &event);
    for (int turn = 0; turn < 50; turn++)
        epoll_wait(loop, &event, 1, 5);
    /* Until it is sampled, which takes as long as the machine is slow. */
    while (count_timers() == 0)
        ;
    pid_t child = fork();
    if (child == 0)
        _exit(in_child());
    if (write(wake, &once, sizeof once) < 0)
        return 3;
    int status = 4;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 5;
}
