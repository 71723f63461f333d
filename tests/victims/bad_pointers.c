// SPDX-License-Identifier: MIT
/*
 * bad_pointers ADDRESS FD: calls with addresses at which nothing is: each by a forked child, "NAME
 * RESULT ERRNO" or the signal that it died of, on a descriptor. What libc itself reads (a name of
 * execvp, a FILE) may be SIGSEGV; what the kernel reads is EFAULT.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern int capset(void *header, const void *data);
extern char **environ;

static void *volatile bad;
static void *volatile none; /* NULL, of which the compiler would warn */
static int pipes[2], sockets[2], epoll, words;
static char large[100000];

#define CASES                                                                                      \
    CASE(write, write(pipes[1], bad, 100))                                                         \
    CASE(write_large, write(pipes[1], bad, sizeof large))                                          \
    CASE(writev, writev(pipes[1], bad, 3))                                                         \
    CASE(writev_too_many, writev(pipes[1], bad, 100000))                                           \
    CASE(pwritev2, pwritev2(pipes[1], bad, 2, -1, 0))                                              \
    CASE(send, send(sockets[1], bad, 100, 0))                                                      \
    CASE(sendto, sendto(sockets[1], large, 10, 0, bad, 16))                                        \
    CASE(sendmsg, sendmsg(sockets[1], bad, 0))                                                     \
    CASE(sendmmsg, sendmmsg(sockets[1], bad, 2, 0))                                                \
    CASE(sendfile, sendfile(pipes[1], 0, bad, 10))                                                 \
    CASE(splice, splice(pipes[0], bad, sockets[1], none, 1, 0))                                    \
    CASE(vmsplice, vmsplice(pipes[1], bad, 2, 0))                                                  \
    CASE(read, read(pipes[0], bad, 10))                                                            \
    CASE(readv, readv(pipes[0], bad, 2))                                                           \
    CASE(preadv2, preadv2(pipes[0], bad, 2, -1, 0))                                                \
    CASE(recv, recv(sockets[0], bad, 10, 0))                                                       \
    CASE(recvfrom, recvfrom(sockets[0], large, 10, MSG_DONTWAIT, bad, bad))                        \
    CASE(recvmsg, recvmsg(sockets[0], bad, 0))                                                     \
    CASE(recvmmsg, recvmmsg(sockets[0], bad, 2, 0, none))                                          \
    CASE(recvmmsg_timeout, recvmmsg(sockets[0], (void *)large, 2, 0, bad))                         \
    CASE(wait4, wait4(-1, bad, 0, bad))                                                            \
    CASE(waitid, waitid(P_ALL, 0, bad, WEXITED))                                                   \
    CASE(connect, connect(sockets[0], bad, 16))                                                    \
    CASE(accept, accept(sockets[0], bad, bad))                                                     \
    CASE(nanosleep, nanosleep(bad, none))                                                          \
    CASE(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, bad, none))                          \
    CASE(poll, poll(bad, 3, 10))                                                                   \
    CASE(poll_for_ever, poll(bad, 3, -1))                                                          \
    CASE(poll_too_many, poll(bad, 100000000, 10))                                                  \
    CASE(ppoll, ppoll(bad, 3, none, none))                                                         \
    NOT_NULL(ppoll_timeout, ppoll(none, 0, bad, none))                                             \
    NOT_NULL(select, select(10, bad, none, none, none))                                            \
    NOT_NULL(select_timeout, select(0, none, none, none, bad))                                     \
    NOT_NULL(pselect, pselect(10, bad, none, none, none, none))                                    \
    CASE(epoll_wait, epoll_wait(epoll, bad, 4, 10))                                                \
    CASE(sigsuspend, sigsuspend(bad))                                                              \
    CASE(sigtimedwait, sigtimedwait(bad, none, none))                                              \
    CASE(prctl_filter, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, bad, 0, 0))                      \
    CASE(raw_filter, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, bad))                        \
    CASE(raw_write, syscall(SYS_write, pipes[1], bad, 10))                                         \
    CASE(capset, capset(bad, bad))                                                                 \
    CASE(setgroups, setgroups_bad())                                                               \
    CASE(chroot, chroot(bad))                                                                      \
    CASE(execve, execve(bad, none, none))                                                          \
    CASE(execve_arguments, execve("/bin/true", bad, environ))                                      \
    CASE(execve_environment, execve("/bin/true", (char *[]){"true", none}, bad))                   \
    CASE(execveat, execveat(AT_FDCWD, bad, none, none, 0))                                         \
    CASE(pipe, pipe(bad))                                                                          \
    CASE(pipe2, pipe2(bad, O_CLOEXEC))                                                             \
    CASE(socketpair, socketpair(AF_UNIX, SOCK_STREAM, 0, bad))

static int setgroups_bad(void)
{
    return (int)syscall(SYS_setgroups, 3, bad);
}

static void outcome(const char *name, pid_t child)
{
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        dprintf(words, "%s died of %d\n", name, WTERMSIG(status));
}

static void run_all(void)
{
/* NULL is no time-out, and no descriptor: they would wait for ever. */
#define NOT_NULL(name, call)                                                                       \
    if (bad)                                                                                       \
    CASE(name, call)
#define CASE(name, call)                                                                           \
    {                                                                                              \
        pid_t child = fork();                                                                      \
        if (child == 0) {                                                                          \
            alarm(30);                                                                             \
            errno = 0;                                                                             \
            long result = (long)(call);                                                            \
            dprintf(words, "%s %ld %d\n", #name, result, errno);                                   \
            _exit(0);                                                                              \
        }                                                                                          \
        outcome(#name, child);                                                                     \
    }
    CASES
}

int main(int argc, char **argv)
{
    if (argc < 3 || pipe(pipes) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0)
        return 1;
    words = (int)strtol(argv[2], none, 10);
    epoll = epoll_create1(0);
    if (write(sockets[1], large, 10) != 10) /* so that there is something to read */
        return 1;
    if (write(pipes[1], large, 10) != 10)
        return 1;
    bad = (void *)strtoul(argv[1], none, 0);
    run_all();
    return 0;
}
