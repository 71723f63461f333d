// SPDX-License-Identifier: MIT
/*
 * Calls of which the library records only the entry, on descriptors above 2.
 *   entered write|writev|send|sendto|sendmsg: a thread makes them until one is stuck
 *   entered coroutine: the same with write, from a stack of its own
 *   entered jump|cancel: a stuck write is left by siglongjmp, by pthread_cancel; then a wait
 *   entered futex|spin|raw|other: a thread has written and does something else: waits for another
 *     thread, computes, is stuck in the same call by syscall(2) on another descriptor, or with
 * other bytes on the same one. Not of `raw` and `other`: then a second thread is stuck in write
 *   entered reads: writes a byte and reads it, a thousand times
 * A byte on stdin makes it read what is stuck, where it is, and a line on stderr says what is done.
 * The status is 7.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

enum { SIZE = 4096, CALLS = 200 };

static const char *how;
static char block[SIZE], other_block[SIZE];
static int ends[2], second[2];
static sem_t never;
static _Atomic int left, stop;
static sigjmp_buf back;
static ucontext_t main_context, other_context;

static ssize_t make_call(int fd)
{
    struct iovec vector = {block, SIZE};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (strcmp(how, "writev") == 0)
        return writev(fd, &vector, 1);
    if (strcmp(how, "send") == 0)
        return send(fd, block, SIZE, MSG_NOSIGNAL);
    if (strcmp(how, "sendto") == 0)
        return sendto(fd, block, SIZE, MSG_NOSIGNAL, NULL, 0);
    if (strcmp(how, "sendmsg") == 0)
        return sendmsg(fd, &message, MSG_NOSIGNAL);
    return write(fd, block, SIZE);
}

static void fill(int fd)
{
    for (int i = 0; i < CALLS; i++)
        if (make_call(fd) < 0)
            exit(9);
}

static void *stuck_thread(void *fd)
{
    fill(*(int *)fd);
    return NULL;
}

static void fill_and_switch_back(void)
{
    fill(ends[1]);
}

static void *coroutine_thread(void *unused)
{
    static char stack[256 * 1024];
    getcontext(&other_context);
    other_context.uc_stack.ss_sp = stack;
    other_context.uc_stack.ss_size = sizeof stack;
    other_context.uc_link = &main_context;
    makecontext(&other_context, fill_and_switch_back, 0);
    swapcontext(&main_context, &other_context);
    return unused;
}

static void wait_for_never(void)
{
    left = 1;
    while (sem_wait(&never) != 0)
        continue;
}

static void jump(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

static void *jumping_thread(void *unused)
{
    if (sigsetjmp(back, 1) == 0)
        fill(ends[1]);
    wait_for_never();
    return unused;
}

/* Not inlined: each makes its call from the same depth of the stack. */
static __attribute__((noinline)) void write_by_libc(int fd, const void *bytes)
{
    if (write(fd, bytes, SIZE) != SIZE)
        exit(9);
}

static __attribute__((noinline)) void write_by_syscall(int fd, const void *bytes)
{
    if (syscall(SYS_write, fd, bytes, SIZE) != SIZE)
        exit(9);
}

static void *leaving_thread(void *unused)
{
    if (strcmp(how, "raw") == 0) /* the other pipe is full but for this */
        for (int i = 0; i < 15; i++)
            write_by_libc(second[1], block);
    for (int i = 0; i < 2; i++) /* the first gives the thread a slot, and is marked at both ends */
        write_by_libc(ends[1], block);
    left = 1;
    if (strcmp(how, "futex") == 0)
        wait_for_never();
    while (strcmp(how, "spin") == 0 && !stop)
        continue;
    for (int i = 0; i < CALLS && strcmp(how, "raw") == 0; i++)
        write_by_syscall(second[1], block);
    for (int i = 0; i < CALLS && strcmp(how, "other") == 0; i++)
        write_by_syscall(ends[1], other_block);
    return unused;
}

static void arm(void)
{
    char byte;
    int fds[2];
    if (pipe(fds) != 0)
        exit(9);
    for (int i = 0; i < 1000; i++)
        if (write(fds[1], "x", 1) != 1 || read(fds[0], &byte, 1) != 1)
            exit(9);
}

static void wait_for_stdin(void)
{
    char byte;
    if (read(0, &byte, 1) < 0)
        exit(9);
}

static void read_all(int fd, int calls)
{
    char bytes[SIZE];
    ssize_t size;
    for (long rest = (long)calls * SIZE; rest > 0; rest -= size)
        if ((size = read(fd, bytes, sizeof bytes)) <= 0)
            exit(9);
}

static void begin(pthread_t *thread, void *(*body)(void *), void *argument)
{
    if (pthread_create(thread, NULL, body, argument) != 0)
        exit(9);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    how = argc > 1 ? argv[1] : "";
    sem_init(&never, 0, 0);
    int made =
        strncmp(how, "send", 4) == 0 ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends);
    if (made != 0 || pipe(second) != 0)
        return 9;
    arm();
    if (strcmp(how, "reads") == 0) {
        syscall(SYS_write, 2, "ready\n", 6); /* no door records it */
        wait_for_stdin();
    } else if (strcmp(how, "jump") == 0 || strcmp(how, "cancel") == 0) {
        signal(SIGUSR1, jump);
        begin(&thread, jumping_thread, NULL);
        wait_for_stdin();
        if (strcmp(how, "jump") == 0)
            pthread_kill(thread, SIGUSR1);
        else if (pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0)
            left = 1;
        while (!left)
            usleep(1000);
        fprintf(stderr, "left\n");
        wait_for_stdin();
    } else if (strcmp(how, "futex") == 0 || strcmp(how, "spin") == 0) {
        begin(&thread, leaving_thread, NULL);
        while (!left)
            usleep(1000);
        begin(&thread, stuck_thread, &second[1]);
        wait_for_stdin();
        stop = 1;
    } else if (strcmp(how, "raw") == 0 || strcmp(how, "other") == 0) {
        begin(&thread, leaving_thread, NULL);
        wait_for_stdin();
    } else {
        if (strcmp(how, "coroutine") == 0)
            begin(&thread, coroutine_thread, NULL);
        else
            begin(&thread, stuck_thread, &ends[1]);
        wait_for_stdin();
        read_all(ends[0], CALLS);
        pthread_join(thread, NULL);
        fprintf(stderr, "done %d\n", ends[1]);
        wait_for_stdin();
    }
    _exit(7);
}
