// SPDX-License-Identifier: MIT
/*
 * Threads that leave write() in the middle, and others that write on. All write to stderr.
 *
 *   drain_jumps jump ROUNDS   a SIGALRM handler leaves a large write() by siglongjmp(), ROUNDS
 * times, while another thread writes lines; then that one says how many drain_jumps small ROUNDS
 * the same out of writes of 1,000 bytes drain_jumps handler       a SIGALRM handler writes lines,
 * interrupting writes drain_jumps second        one thread waits in a large write; another is
 * interrupted in its own, which must be EINTR, and a third is cancelled in its
 *
 *   Lines are "L\n" repeated to LINE bytes, what may be cut off is 'x'. Says "done" on stdout.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum { LARGE = 3000000, SMALL = 1000, LINE = 100 };

static char large[LARGE];
static char line[LINE];
static sigjmp_buf out;
static atomic_long lines;
static _Atomic int stop;
static pthread_t jumper;

static void leave(int number)
{
    (void)number;
    if (pthread_equal(pthread_self(), jumper))
        siglongjmp(out, 1);
}

static void put_line(int number)
{
    (void)number;
    int saved = errno;
    if (write(2, line, sizeof line) == sizeof line)
        lines++;
    errno = saved;
}

static void *writes_lines(void *unused)
{
    while (!stop)
        put_line(0);
    return unused;
}

static void say(const char *format, long a, long b)
{
    char text[64];
    int size = snprintf(text, sizeof text, format, a, b);
    if (write(1, text, (size_t)size) != size)
        _exit(3);
}

static void after_a_moment(int us)
{
    struct itimerval timer = {{0, 0}, {0, us}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static int jump(size_t size, long rounds)
{
    pthread_t other;
    struct sigaction action = {.sa_handler = leave};
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    jumper = pthread_self();
    sigaction(SIGALRM, &action, NULL);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL); /* in the other thread for good */
    pthread_create(&other, NULL, writes_lines, NULL);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    for (volatile long round = 0; round < rounds; round++) {
        if (sigsetjmp(out, 1) != 0)
            continue;
        after_a_moment(200 + (int)(round * 37 % 700));
        for (;;)
            if (write(2, large, size) < 0 && errno != EINTR)
                return 1;
    }
    long before = lines;
    while (lines < before + 100) /* the other one goes on */
        usleep(1000);
    stop = 1;
    pthread_join(other, NULL);
    say("lines %ld done\n", lines, 0);
    return 0;
}

static int handler(void)
{
    struct sigaction action = {.sa_handler = put_line, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, 300}, {0, 300}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < 20000; i++)
        put_line(0);
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
    say("lines %ld done\n", lines, 0);
    return 0;
}

static void interrupt(int number)
{
    (void)number;
}

static void *writes_large(void *unused)
{
    if (write(2, large, LARGE) < 0)
        abort();
    return unused;
}

static atomic_long waiting_tid;

static void *writes_until_interrupted(void *unused)
{
    long written = 0;
    ssize_t result;
    waiting_tid = syscall(SYS_gettid);
    while ((result = write(2, line, sizeof line)) == sizeof line)
        written++;
    say(result < 0 && errno == EINTR ? "EINTR\n" : "something else\n", 0, 0);
    lines += written;
    return unused;
}

static void *writes_until_cancelled(void *unused)
{
    waiting_tid = syscall(SYS_gettid);
    for (;;)
        if (write(2, line, sizeof line) == sizeof line)
            lines++;
    return unused;
}

static void wait_until_it_sleeps(void)
{
    char path[64];
    char name[64] = "";
    do {
        usleep(2000);
        snprintf(path, sizeof path, "/proc/self/task/%ld/wchan", (long)waiting_tid);
        FILE *file = fopen(path, "r");
        if (file && !fgets(name, sizeof name, file))
            name[0] = 0;
        if (file)
            fclose(file);
    } while (!strstr(name, "futex") && !strstr(name, "pipe"));
}

static int second(void)
{
    struct sigaction action = {.sa_handler = interrupt};
    pthread_t first;
    pthread_t other;
    void *result;
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&first, NULL, writes_large, NULL);
    pthread_create(&other, NULL, writes_until_interrupted, NULL);
    while (waiting_tid == 0)
        usleep(1000);
    wait_until_it_sleeps();
    pthread_kill(other, SIGUSR1);
    pthread_join(other, NULL);
    waiting_tid = 0;
    pthread_create(&other, NULL, writes_until_cancelled, NULL);
    while (waiting_tid == 0)
        usleep(1000);
    wait_until_it_sleeps();
    pthread_cancel(other);
    pthread_join(other, &result);
    say(result == PTHREAD_CANCELED ? "cancelled\n" : "not cancelled\n", 0, 0);
    pthread_join(first, NULL);
    say("lines %ld done\n", lines, 0);
    return 0;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    memset(large, 'x', sizeof large);
    memset(line, 'L', sizeof line);
    line[LINE - 1] = '\n';
    if (!strcmp(how, "jump"))
        return jump(LARGE, rounds);
    if (!strcmp(how, "small"))
        return jump(SMALL, rounds);
    return !strcmp(how, "handler") ? handler() : second();
}
