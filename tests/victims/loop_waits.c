// SPDX-License-Identifier: MIT
/* An event loop, blocked by a sleep, a child, a lock, a file, or by work of its own. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "event_loop.h"

extern char **environ;

/* --- Sleeps, and waits for a signal --- */

static struct timespec time_asked(void)
{
    long ms = strtol(argument, NULL, 10);
    return (struct timespec){ms / 1000, ms % 1000 * 1000000};
}

static void do_nanosleep(void)
{
    struct timespec time = time_asked();
    check(nanosleep(&time, NULL), "nanosleep");
}

static void do_clock_nanosleep(void)
{
    struct timespec time = time_asked();
    if (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) != 0)
        errx(1, "clock_nanosleep");
}

static void do_usleep(void)
{
    check(usleep((useconds_t)strtol(argument, NULL, 10) * 1000), "usleep");
}

static void do_sleep(void)
{
    sleep((unsigned)strtol(argument, NULL, 10) / 1000);
}

static void do_raw_nanosleep(void)
{
    struct timespec time = time_asked();
    check((int)syscall(SYS_nanosleep, &time, NULL), "syscall(SYS_nanosleep)");
}

static void on_signal(int number)
{
    (void)number;
}

static sigset_t block_signal(void)
{
    sigset_t set;
    signal(SIGUSR1, on_signal);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (!strcmp(argument, "pending"))
        raise(SIGUSR1);
    return set;
}

static void do_sigwait(void)
{
    int number;
    sigset_t set = block_signal();
    sigwait(&set, &number);
}

static void do_sigwaitinfo(void)
{
    sigset_t set = block_signal();
    check(sigwaitinfo(&set, NULL), "sigwaitinfo");
}

static void do_sigtimedwait(void)
{
    struct timespec minute = {60, 0};
    sigset_t set = block_signal();
    check(sigtimedwait(&set, NULL, &minute), "sigtimedwait");
}

/* --- Children --- */

static void do_waitpid(void)
{
    check(waitpid(start_child(-1), NULL, 0), "waitpid");
}

static void do_wait(void)
{
    start_child(-1);
    check(wait(NULL), "wait");
}

static void do_wait3(void)
{
    struct rusage usage;
    start_child(-1);
    check(wait3(NULL, 0, &usage), "wait3");
}

static void do_wait4(void)
{
    struct rusage usage;
    check(wait4(start_child(-1), NULL, 0, &usage), "wait4");
}

static void do_waitid(void)
{
    siginfo_t information;
    check(waitid(P_PID, (id_t)start_child(-1), &information, WEXITED), "waitid");
}

static void do_spawn(void)
{
    pid_t pid;
    siginfo_t information;
    char *const command[] = {"cat", NULL};
    if (posix_spawnp(&pid, "cat", NULL, NULL, command, environ) != 0)
        errx(1, "posix_spawnp");
    check((int)syscall(SYS_waitid, P_PID, pid, &information, WEXITED, NULL), "syscall(SYS_waitid)");
}

static void do_system(void)
{
    check(system("cat >/dev/null; true"), "system");
}

static void do_pclose(void)
{
    check(pclose(popen("cat >/dev/null; true", "r")), "pclose");
}

/* --- Locks and files --- */

static int lock_file(void)
{
    return check(open(argument, O_RDWR | O_CREAT | O_CLOEXEC, 0600), "open");
}

static void do_flock(void)
{
    check(flock(lock_file(), LOCK_EX), "flock");
}

static void do_lockf(void)
{
    check(lockf(lock_file(), F_LOCK, 0), "lockf");
}

static void do_fcntl_lock(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    check(fcntl(lock_file(), F_SETLKW, &lock), "fcntl");
}

static void do_open_fifo(void)
{
    close(check(open(argument, O_RDONLY), "open"));
}

static void do_fsync(void)
{
    int fd = lock_file();
    check((int)write(fd, "data", 4), "write");
    check(fsync(fd), "fsync");
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Waits for the test with the mutex in hand. */
static void *hold_mutex(void *taken)
{
    char end;
    pthread_mutex_lock(&mutex);
    *(volatile int *)taken = 1;
    (void)!read(0, &end, 1);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void do_mutex(void)
{
    pthread_t thread;
    volatile int taken = 0;
    pthread_create(&thread, NULL, hold_mutex, (void *)&taken);
    while (!taken)
        sched_yield();
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
}

/* --- No call is to blame --- */

static volatile int released;

static void *wait_for_release(void *unused)
{
    char end;
    (void)!read(0, &end, 1);
    released = 1;
    return unused;
}

static void do_many_short_sleeps(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_release, NULL);
    while (!released)
        usleep(20000);
    pthread_join(thread, NULL);
}

static const struct mode modes[] = {MODE(nanosleep),
                                    MODE(clock_nanosleep),
                                    MODE(usleep),
                                    MODE(sleep),
                                    MODE(raw_nanosleep),
                                    MODE(sigwait),
                                    MODE(sigwaitinfo),
                                    MODE(sigtimedwait),
                                    MODE(waitpid),
                                    MODE(wait),
                                    MODE(wait3),
                                    MODE(wait4),
                                    MODE(waitid),
                                    MODE(spawn),
                                    MODE(system),
                                    MODE(pclose),
                                    MODE(flock),
                                    MODE(lockf),
                                    MODE(fcntl_lock),
                                    MODE(open_fifo),
                                    MODE(fsync),
                                    MODE(mutex),
                                    MODE(many_short_sleeps),
                                    {NULL, NULL}};

int main(int count, char **arguments)
{
    return run_loop(modes, count, arguments);
}
