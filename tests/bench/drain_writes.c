// SPDX-License-Identifier: MIT
/*
 * Writes to a pipe under the drainer, two numbers on stdout:
 *   drain_writes live SIZE COUNT    ns a write, and ns a write until the reader has it all; the
 *                                   reader is another process, on another core if there is one
 *   drain_writes step SIZE COUNT    the same, and the reader never sleeps: no write wakes it
 *   drain_writes asleep SIZE COUNT  the same, and the reader sleeps in read() before each write,
 *                                   which is not measured: each write wakes it
 *   drain_writes turns-step SIZE COUNT, turns-asleep SIZE COUNT
 *                                   as step and asleep, some COUNT times libc's own write and as
 *                                   often write(), in one process: means of both, their ratio, and
 *                                   that of the medians (where nothing is queued: the first passes
 *                                   that); BARE_ONLY=1: of two times the same
 *   drain_writes nowait SIZE COUNT  as live with pwritev2(RWF_NOWAIT), what a write that must not
 *                                   wait costs in the kernel
 *   drain_writes stalled SIZE COUNT nobody reads: p50 p99 p99.9 ns of a write (COUNT * SIZE fits
 *                                   the queue)
 *   drain_writes memcpy SIZE COUNT  the same of a memcpy to touched memory
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

ssize_t __write(int fd, const void *data, size_t size); /* libc's own, which no library replaces */

static char record[1 << 20];

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

enum state { LIVE, STEP, ASLEEP, NOWAIT };
static const char *const states[] = {"live", "step", "asleep", "nowait"};

static void write_all(int fd, size_t size, enum state state)
{
    struct iovec rest = {record, size};
    while (state == NOWAIT && rest.iov_len > 0) {
        ssize_t done = pwritev2(fd, &rest, 1, -1, RWF_NOWAIT);
        struct pollfd space = {fd, POLLOUT, 0};
        if (done < 0)
            poll(&space, 1, -1);
        else
            rest = (struct iovec){(char *)rest.iov_base + done, rest.iov_len - (size_t)done};
    }
    if (state != NOWAIT && write(fd, record, size) != (ssize_t)size)
        exit(1);
}

/* Ends with the last byte, not with the end of file: who still has the pipe then is another thing.
 */
static void read_all(int fd, size_t total, enum state state)
{
    static char buffer[65536];
    if (state == STEP)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    while (total > 0) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            _exit(1);
        total -= got > 0 ? (size_t)got : 0;
    }
    _exit(0);
}

/* Long enough for the reader to have read all, and to sleep. */
static void let_it_sleep(void)
{
    enum { SLEEPS_AFTER_NS = 20000 };
    for (double start = now_ns(); now_ns() - start < SLEEPS_AFTER_NS;)
        ;
}

static void live(size_t size, long count, enum state state)
{
    enum { BEFORE = 1000 };
    int ends[2];
    if (pipe(ends) != 0)
        exit(1);
    pid_t reader = fork();
    if (reader == 0) {
        close(ends[1]);
        pin(1);
        read_all(ends[0], size * (size_t)(count + BEFORE), state);
    }
    close(ends[0]);
    pin(0);
    for (int i = 0; i < BEFORE; i++)
        write_all(ends[1], size, state);
    double start = now_ns();
    double in_write = 0;
    for (long i = 0; i < count; i++) {
        double before = 0;
        if (state == ASLEEP) {
            let_it_sleep();
            before = now_ns();
        }
        write_all(ends[1], size, state);
        if (state == ASLEEP)
            in_write += now_ns() - before;
    }
    double written = state == ASLEEP ? in_write : now_ns() - start;
    int status = 1;
    waitpid(reader, &status, 0);
    if (status != 0)
        exit(1);
    printf("%.1f %.1f\n", written / (double)count, (now_ns() - start) / (double)count);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double one_turn(int fd, size_t size, enum state state, int bare)
{
    enum { BURST = 50 };
    int writes = state == ASLEEP ? 1 : BURST;
    if (state == ASLEEP)
        let_it_sleep();
    double start = now_ns();
    for (int i = 0; i < writes; i++)
        if ((bare ? __write(fd, record, size) : write(fd, record, size)) != (ssize_t)size)
            exit(1);
    return (now_ns() - start) / writes;
}

/* Without the fastest and the slowest fiftieth, in which the reader was not asleep and others ran.
 */
static double trimmed_mean(double *times, long count)
{
    long outer = count / 50;
    double sum = 0;
    qsort(times, (size_t)count, sizeof *times, ascending);
    for (long i = outer; i < count - outer; i++)
        sum += times[i];
    return sum / (double)(count - 2 * outer);
}

/* Which comes next is random: what wakes the reader depends on how long the ones before took, and
 * a fixed order falls into step with that. */
static void turns(size_t size, long count, enum state state)
{
    int ends[2];
    long turns = 2 * count;
    double *times[2] = {malloc(sizeof(double) * (size_t)turns),
                        malloc(sizeof(double) * (size_t)turns)};
    if (pipe(ends) != 0 || !times[0] || !times[1])
        exit(1);
    pid_t reader = fork();
    if (reader == 0) {
        close(ends[1]);
        pin(1);
        read_all(ends[0], SIZE_MAX, state);
    }
    close(ends[0]);
    pin(0);
    srandom((unsigned)getpid());
    long done[2] = {0, 0};
    for (long i = -200; i < turns; i++) {
        int bare = random() >> 8 & 1;
        double ns = one_turn(ends[1], size, state, bare || getenv("BARE_ONLY"));
        if (i >= 0)
            times[bare][done[bare]++] = ns;
    }
    double with = trimmed_mean(times[0], done[0]);
    double raw = trimmed_mean(times[1], done[1]);
    double medians = times[1][done[1] / 2] / times[0][done[0] / 2];
    printf("%.0f %.0f %.3f %.3f\n", raw, with, raw / with, medians);
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
}

static void stalled(size_t size, long count, int copy_only)
{
    int ends[2];
    double *times = malloc(sizeof *times * (size_t)count);
    char *memory = malloc(size * (size_t)count + 1);
    if (pipe(ends) != 0 || !times || !memory)
        exit(1);
    memset(memory, 1, size * (size_t)count);
    memset(times, 0, sizeof *times * (size_t)count);
    if (!copy_only)
        for (size_t filled = 0; filled < 1 << 17; filled += size)
            if (write(ends[1], record, size) != (ssize_t)size)
                exit(1);
    for (long i = 0; i < count; i++) {
        double start = now_ns();
        if (copy_only) {
            memcpy(memory + (size_t)i * size, record, size);
            __asm__ volatile("" : : : "memory");
        } else if (write(ends[1], record, size) != (ssize_t)size) {
            exit(1);
        }
        times[i] = now_ns() - start;
    }
    qsort(times, (size_t)count, sizeof *times, ascending);
    printf("%.0f %.0f %.0f\n", times[count / 2], times[count * 99 / 100],
           times[count * 999 / 1000]);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    size_t size = (size_t)atol(argv[2]);
    long count = atol(argv[3]);
    if (size > sizeof record)
        return 64;
    if (strcmp(argv[1], "turns-step") == 0 || strcmp(argv[1], "turns-asleep") == 0) {
        turns(size, count, strcmp(argv[1], "turns-step") == 0 ? STEP : ASLEEP);
        return 0;
    }
    for (enum state state = LIVE; state <= NOWAIT; state++)
        if (strcmp(argv[1], states[state]) == 0) {
            live(size, count, state);
            return 0;
        }
    stalled(size, count, strcmp(argv[1], "memcpy") == 0);
    return 0;
}
