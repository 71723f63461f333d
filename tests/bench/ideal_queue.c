// SPDX-License-Identifier: MIT
/*
 * What a queue could give at most: ideal_queue SIZE ROUNDS
 *
 * Without any library: 512 KiB of records of SIZE bytes (which divides 4096) are written to a pipe
 * whose reader never sleeps, on the other core; the same records are copied into shared memory, and
 * a helper on the writer's core, woken once for all of them, writes them by 4 KiB. Medians of
 * ROUNDS rounds in turn, ns a record until all is written, and their ratio.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { QUEUE = 512 * 1024, BATCH = 4096, MOST = 10000 };

static char record[BATCH];

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void write_all(int fd, const char *from, size_t size)
{
    if (write(fd, from, size) != (ssize_t)size)
        _exit(1);
}

static pid_t start_reader(const int ends[2])
{
    static char buffer[65536];
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    pin(1);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (;;)
        if (read(ends[0], buffer, sizeof buffer) == 0)
            _exit(0);
}

static pid_t start_helper(int to, const char *queue, const int go[2], const int done[2])
{
    char letter;
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    while (read(go[0], &letter, 1) == 1) {
        for (size_t at = 0; at < QUEUE; at += BATCH)
            write_all(to, queue + at, BATCH);
        write_all(done[1], &letter, 1);
    }
    _exit(0);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double times[2][MOST];
    int ends[2], go[2], done[2];
    size_t size = argc == 3 ? (size_t)atol(argv[1]) : 0;
    int rounds = argc == 3 ? atoi(argv[2]) : 0;
    if (size == 0 || BATCH % size != 0 || rounds < 1 || rounds > MOST)
        return 64;
    char *queue =
        mmap(NULL, QUEUE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (queue == MAP_FAILED || pipe(ends) != 0 || pipe(go) != 0 || pipe(done) != 0)
        return 1;
    pid_t reader = start_reader(ends);
    pin(0);
    pid_t helper = start_helper(ends[1], queue, go, done);
    for (int round = -5; round < rounds; round++)
        for (int queued = 0; queued < 2; queued++) {
            double start = now_ns();
            for (size_t at = 0; at < QUEUE; at += size)
                if (queued)
                    memcpy(queue + at, record, size);
                else
                    write_all(ends[1], record, size);
            char letter = 0;
            if (queued) {
                write_all(go[1], &letter, 1);
                if (read(done[0], &letter, 1) != 1)
                    return 1;
            }
            if (round >= 0)
                times[queued][round] = (now_ns() - start) / (QUEUE / (double)size);
        }
    for (int queued = 0; queued < 2; queued++)
        qsort(times[queued], (size_t)rounds, sizeof(double), ascending);
    double raw = times[0][rounds / 2];
    double with = times[1][rounds / 2];
    printf("raw %.0f ns, through an ideal queue %.0f ns, ratio %.2f\n", raw, with, raw / with);
    kill(reader, SIGKILL);
    kill(helper, SIGKILL);
    waitpid(reader, NULL, 0);
    waitpid(helper, NULL, 0);
    return 0;
}
