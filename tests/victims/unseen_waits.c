// SPDX-License-Identifier: MIT
/*
 * Waits that come by no door of libc's: unseen_waits HOW COMMAND.
 *   popen   reads COMMAND's output to its end by popen() and fgets()
 *   stdio   the same by pipe(), fork(), fdopen() and fgets()
 *   stdin   reads its own stdin to its end by fgets(); no COMMAND
 *   join    waits for a thread that waits for ever; nobody reads COMMAND's output
 *   lock    the same, but the thread is there before the pipe, and a condition is waited for
 *   sleep   sleeps; nobody reads COMMAND's output
 *   wait    waits for COMMAND, of which it keeps no pipe; it closes both ends of one as a shell
 * does
 *   kept    the same, but it keeps the reading end of a pipe that nobody writes to
 *   both    waits for COMMAND, whose output nobody reads, and keeps both ends of its pipe
 *   copy    the same; the child is no COMMAND but writes 200,000 bytes itself, or, with a third
 *           argument, one byte, and ends when its stdin does
 *   fed     waits for COMMAND, to whose stdin it has written and of which it has closed both ends;
 *           COMMAND has the writing one as well, but for a third argument
 *   suspend, sigwait, signalfd  waits so for SIGCHLD, which is blocked; nobody reads COMMAND's
 * output workers waits for a child that does nothing and, as it itself, has both ends of a pipe
 * that does not block select, poll, time  waits by one of these for a byte in a pipe of which it
 * has both ends, or for time; nobody reads COMMAND's output. With a third argument it keeps no pipe
 * of COMMAND's.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void *wait_for_ever(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&mutex);
    while (pthread_cond_wait(&never, &mutex) == 0)
        ;
    return NULL;
}

static void read_all(FILE *from)
{
    char line[256];
    while (from && fgets(line, sizeof line, from))
        ;
}

/* Its stdout is `output`, the reading end of which the parent keeps. */
static void start(const char *command, const int ends[2])
{
    if (fork() == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)0);
        _exit(127);
    }
    close(ends[1]);
}

static void write_all(int fd, size_t size)
{
    static const char bytes[200000];
    char last;
    ssize_t written = write(fd, bytes, size);
    if (written == 1)
        written = read(0, &last, 1);
    _exit(written < 0);
}

static void ignore_signal(int number)
{
    (void)number;
}

static void wait_for_child_signal(const char *how, const sigset_t *before)
{
    sigset_t only;
    struct signalfd_siginfo info;
    int number;
    sigemptyset(&only);
    sigaddset(&only, SIGCHLD);
    if (strcmp(how, "suspend") == 0)
        sigsuspend(before);
    else if (strcmp(how, "sigwait") == 0)
        sigwait(&only, &number);
    else if (read(signalfd(-1, &only, 0), &info, sizeof info) != sizeof info)
        _exit(1);
}

static int feed(const char *command, bool closes)
{
    int ends[2];
    if (pipe(ends) != 0)
        return 1;
    if (fork() == 0) {
        dup2(ends[0], 0);
        close(ends[0]);
        if (closes)
            close(ends[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)0);
        _exit(127);
    }
    if (write(ends[1], "name=value", 10) != 10)
        return 1;
    close(ends[0]);
    close(ends[1]);
    wait(NULL);
    return 0;
}

/* Both ends stay where they are in the parent, and in a child that makes no exec. */
static int keep_both(const char *how, const char *command, bool little)
{
    int ends[2];
    bool workers = strcmp(how, "workers") == 0;
    if (pipe2(ends, O_CLOEXEC | (workers ? O_NONBLOCK : 0)) != 0)
        return 1;
    if (fork() == 0) {
        if (workers)
            pause();
        if (strcmp(how, "copy") == 0)
            write_all(ends[1], little ? 1 : 200000);
        dup2(ends[1], 1);
        execl("/bin/sh", "sh", "-c", command, (char *)0);
        _exit(127);
    }
    wait(NULL);
    return 0;
}

/* As gunicorn's first process waits for its workers, for ever; returns if `how` is no such wait. */
static void wait_for_own_pipe(const char *how)
{
    int own[2];
    if (pipe(own) != 0)
        return;
    for (;;) {
        fd_set reads;
        FD_ZERO(&reads);
        FD_SET(own[0], &reads);
        struct pollfd one = {.fd = own[0], .events = POLLIN};
        struct timeval moment = {0, 200000};
        if (strcmp(how, "select") == 0)
            select(own[0] + 1, &reads, NULL, NULL, NULL);
        else if (strcmp(how, "poll") == 0)
            poll(&one, 1, -1);
        else if (strcmp(how, "time") == 0)
            select(0, NULL, NULL, NULL, &moment);
        else
            break;
    }
    close(own[0]);
    close(own[1]);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    const char *command = argc > 2 ? argv[2] : "true";
    pthread_t thread;
    int ends[2];
    if (strcmp(how, "popen") == 0) {
        FILE *from = popen(command, "r");
        read_all(from);
        return from && pclose(from) == 0 ? 0 : 1;
    }
    if (strcmp(how, "stdin") == 0) {
        read_all(stdin);
        return 0;
    }
    if (strcmp(how, "both") == 0 || strcmp(how, "copy") == 0 || strcmp(how, "workers") == 0)
        return keep_both(how, command, argc > 3);
    if (strcmp(how, "fed") == 0)
        return feed(command, argc > 3);
    if (strcmp(how, "lock") == 0)
        pthread_create(&thread, NULL, wait_for_ever, NULL);
    if (strcmp(how, "kept") == 0 && pipe(ends) == 0)
        close(ends[1]);
    if (pipe(ends) != 0)
        return 1;
    bool by_signal = strncmp(how, "sig", 3) == 0 || strcmp(how, "suspend") == 0;
    sigset_t child, before;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (by_signal) {
        signal(SIGCHLD, ignore_signal);
        sigprocmask(SIG_BLOCK, &child, &before);
    }
    start(command, ends);
    if (by_signal) {
        wait_for_child_signal(how, &before);
        return 0;
    }
    if (argc > 3)
        close(ends[0]);
    wait_for_own_pipe(how);
    if (strcmp(how, "stdio") == 0)
        read_all(fdopen(ends[0], "r"));
    else if (strcmp(how, "sleep") == 0)
        sleep(600);
    else if (strcmp(how, "lock") == 0)
        wait_for_ever(NULL);
    else if (strcmp(how, "join") == 0 && pthread_create(&thread, NULL, wait_for_ever, NULL) == 0)
        pthread_join(thread, NULL);
    else
        close(ends[0]);
    wait(NULL);
    return 0;
}
