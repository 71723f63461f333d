// SPDX-License-Identifier: MIT
/*
 * Programs that put themselves under a seccomp filter, in every way there is.
 *   sandbox lives WHO HOW BEFORE   WHO then lives from read, write and exit alone
 *   sandbox changes HOW BEFORE     then opens, duplicates and closes, its log too, and no more
 *   sandbox shared HOW             beside threads that write all the time
 *   sandbox asks                   every request that the kernel refuses, and what it answers
 *   sandbox asks-beside            the same beside a thread that is stuck, when stdin has a byte
 *   sandbox stuck FILTER [HOW]     installs FILTER, then gets stuck on stdout (a full pipe)
 *   sandbox launches FILTER GROUPS PROGRAM…   installs FILTER and runs PROGRAM with LAUNCH_PRELOAD
 *   sandbox unshares               a user namespace by the number of the kernel call
 *   sandbox plain                  what a launched one does: a line, status 7
 *   sandbox waits                  another one: gets stuck on stdout
 * Each says on stderr what it found; the tests compare that with and without the library.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/filters.h"

static int channel[2];

/* More than PIPE_BUF at once: the library cannot know that it will not block, and watches. */
static void large_write(void)
{
    static char large[8192];
    size_t left = sizeof large;
    if (write(channel[1], large, sizeof large) != sizeof large)
        exit(3);
    while (left > 0) {
        ssize_t size = read(channel[0], large, left);
        if (size <= 0)
            exit(3);
        left -= (size_t)size;
    }
}

/* Writes a little and reads it back; no exit(): its handlers may make more calls. */
static void talk(void)
{
    char bytes[100] = {0};
    for (int i = 0; i < 500; i++) {
        if (write(channel[1], bytes, sizeof bytes) != sizeof bytes)
            syscall(SYS_exit, 5);
        for (size_t left = sizeof bytes; left > 0;) {
            ssize_t size = read(channel[0], bytes, left);
            if (size <= 0)
                syscall(SYS_exit, 5);
            left -= (size_t)size;
        }
    }
}

static void talk_and_leave(enum how how, int status)
{
    if (install(how) != 0)
        _exit(4);
    talk();
    /* As vsftpd and OpenSSH end: strict mode knows no exit_group. */
    syscall(SYS_exit, status);
}

static enum how thread_how;

static _Atomic int thread_may_begin, thread_is_done, threads_begun;

static void *talking_thread(void *unused)
{
    while (!thread_may_begin) /* pthread_create() itself makes calls after the clone */
        ;
    if (install(thread_how) != 0)
        _exit(4);
    talk();
    thread_is_done = 1;
    syscall(SYS_exit, 0);
    return unused;
}

/* Each write is the thread's first, as far as the library knows: it goes the long way. */
static void *first_write(void *unused)
{
    char byte = 0;
    threads_begun++;
    while (!thread_may_begin)
        ;
    for (;;)
        if (write(channel[1], &byte, 1) != 1 || read(channel[0], &byte, 1) != 1)
            _exit(5);
    return unused;
}

/* The threads live under the filter from one moment to the next. */
static int shared(enum how how)
{
    enum { THREADS = 3 };
    pthread_t thread;
    make_filter("bare");
    large_write();
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread, NULL, first_write, NULL);
    while (threads_begun < THREADS) /* a thread's start makes calls that the filter forbids */
        ;
    thread_may_begin = 1;
    if (install(how) != 0)
        return 4;
    talk();
    syscall(SYS_exit_group, 6);
    return 0;
}

static int changes(enum how how, const char *before)
{
    int ends[2];
    make_filter("changing");
    if (strcmp(before, "calls") == 0)
        large_write();
    if (install(how) != 0)
        return 4;
    if (pipe2(ends, O_CLOEXEC) != 0 || dup2(ends[0], 0) != 0 || close(ends[0]) != 0 ||
        dup2(open("/dev/null", O_WRONLY), 1) != 1 || close(STDERR_FILENO) != 0 ||
        close_range(STDERR_FILENO, STDERR_FILENO, 0) != 0)
        syscall(SYS_exit_group, 5);
    syscall(SYS_exit_group, 6);
    return 0;
}

static int report_child(pid_t child)
{
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    large_write();
    fprintf(stderr, "status %x\n", (unsigned)status);
    return 0;
}

static int lives(const char *who, enum how how, const char *before)
{
    make_filter("bare");
    if (strcmp(before, "calls") == 0)
        large_write();
    if (strcmp(who, "self") == 0)
        talk_and_leave(how, 6);
    if (strcmp(who, "thread") == 0) {
        pthread_t thread;
        thread_how = how;
        pthread_create(&thread, NULL, talking_thread, NULL);
        thread_may_begin = 1;
        while (!thread_is_done) /* the filter may be this thread's as well */
            ;
        syscall(SYS_exit_group, 6);
    }
    pid_t child = strcmp(who, "vfork") == 0 ? vfork() : fork();
    if (child == 0) {
        if (strcmp(who, "fork-calls") == 0)
            large_write();
        talk_and_leave(how, 6);
    }
    return report_child(child);
}

static void say(const char *what, long result)
{
    fprintf(stderr, "%s %ld errno %d\n", what, result, result == -1 ? errno : 0);
}

#define TRY(call) say(#call, call)
#define BAD(n)    ((void *)(long)(n))

static void ask_for_what_is_refused(void)
{
    struct sock_fprog nowhere = {5, BAD(8)};
    struct sock_fprog empty = {0, program.filter};
    struct sock_fprog longer = {5000, program.filter};
    struct sock_filter without_end[] = {NUMBER};
    struct sock_fprog endless = {1, without_end};

    TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 16, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, -1L, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &nowhere, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &empty, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &longer, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &endless, 0, 0));
    TRY(prctl(PR_SET_SECCOMP, 77, &program, 0, 0));
    TRY(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0));
    TRY(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, BAD(16), 0, 0));
    TRY(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &nowhere, 0, 0));
    TRY(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &endless, 0, 0));
    /* What libseccomp asks for before it does anything. */
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, NULL));
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, NULL));
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, NULL));
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, BAD(16)));
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, BAD(-1)));
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &nowhere));
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &endless));
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1UL << 30, &program));
    TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, program.filter));
    TRY(syscall(SYS_seccomp, 99, 0, NULL));
    /* A filter that is right, and one has no right to it: no_new_privs is not set. */
    make_filter("bare");
    if (geteuid() != 0) {
        TRY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
        TRY(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
        TRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    fprintf(stderr, "mode %d\n", prctl(PR_GET_SECCOMP));
}

static char block[4096];

/* Fills stdout until a write sleeps; returns when a reader has come. */
static void write_until_read(void)
{
    for (int i = 0; i < 64; i++)
        if (write(1, block, sizeof block) < 0)
            exit(9);
}

static void *stuck_thread(void *unused)
{
    write_until_read();
    return unused;
}

static int asks(void)
{
    large_write();
    ask_for_what_is_refused();
    write_until_read();
    return 7;
}

static int asks_beside(void)
{
    pthread_t thread;
    char c;
    pthread_create(&thread, NULL, stuck_thread, NULL);
    if (read(0, &c, 1) != 1)
        return 8;
    ask_for_what_is_refused();
    fprintf(stderr, "asked\n");
    pthread_join(thread, NULL);
    return 7;
}

static int stuck(const char *filter, enum how how)
{
    make_filter(filter);
    large_write();
    say("installed", install(how));
    write_until_read();
    return 7;
}

static int launches(const char *filter, int groups, char **arguments)
{
    static gid_t list[65536];
    const char *preload = getenv("LAUNCH_PRELOAD");
    for (int i = 0; i < groups; i++)
        list[i] = 1000000000U + (gid_t)i;
    if (groups > 0 && setgroups((size_t)groups, list) != 0)
        return 65;
    if (preload)
        setenv("LD_PRELOAD", preload, 1);
    make_filter(filter);
    if (install(PRCTL) != 0)
        return 66;
    execv(arguments[0], arguments);
    return 67;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "plain") == 0)
        return write(2, "alive\n", 6) == 6 ? 7 : 1;
    if (pipe(channel) != 0)
        return 2;
    if (strcmp(mode, "lives") == 0 && argc == 5)
        return lives(argv[2], how_named(argv[3]), argv[4]);
    if (strcmp(mode, "changes") == 0 && argc == 4)
        return changes(how_named(argv[2]), argv[3]);
    if (strcmp(mode, "shared") == 0)
        return shared(how_named(argv[2]));
    if (strcmp(mode, "asks") == 0)
        return asks();
    if (strcmp(mode, "unshares") == 0) {
        large_write();
        say("unshare", syscall(SYS_unshare, CLONE_NEWUSER));
        return 0;
    }
    if (strcmp(mode, "waits") == 0) {
        write_until_read();
        return 7;
    }
    if (strcmp(mode, "asks-beside") == 0)
        return asks_beside();
    if (strcmp(mode, "stuck") == 0)
        return stuck(argv[2], argc > 3 ? how_named(argv[3]) : PRCTL);
    if (strcmp(mode, "launches") == 0)
        return launches(argv[2], atoi(argv[3]), argv + 4);
    return 64;
}
