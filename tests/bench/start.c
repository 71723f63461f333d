// SPDX-License-Identifier: MIT
/*
 * What the library costs at the start of programs: /bin/true, watched, left out and off, and a
 * shell script of 1,000 short commands. Each round starts all of them in turn, so that a noisy
 * machine is noisy for all. Beside the time that passes, that on a CPU (rusage): it does not depend
 * on who else wants one.   start LIBRARY [ROUNDS]
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAYS = 4, DEFAULT_ROUNDS = 2000, SCRIPT_ROUNDS = 7 };

static const struct way {
    const char *name, *setting;
    int preloads;
} ways[WAYS] = {
    {"without", NULL, 0},
    {"with", NULL, 1},
    {"left out (PIPESHIM_ONLY)", "PIPESHIM_ONLY=engine", 1},
    {"PIPESHIM=off", "PIPESHIM=off", 1},
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct cost {
    double time, cpu; /* us */
    long faults;
};

static double us(struct timeval time)
{
    return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

static struct cost run(char *const *command, const struct way *way, const char *library)
{
    char preload[4096];
    char *environment[4] = {"PATH=/usr/bin:/bin"};
    int used = 1;
    struct timespec begin, end;
    struct rusage usage;
    pid_t child;
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", library);
    if (way->preloads)
        environment[used++] = preload;
    if (way->setting)
        environment[used++] = (char *)way->setting;
    environment[used] = NULL;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int error = posix_spawn(&child, command[0], NULL, NULL, command, environment);
    int status = -1;
    while (error == 0 && wait4(child, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (status != 0) {
        fprintf(stderr, "start: %s failed\n", command[0]);
        exit(1);
    }
    return (struct cost){
        .time =
            (double)(end.tv_sec - begin.tv_sec) * 1e6 + (double)(end.tv_nsec - begin.tv_nsec) / 1e3,
        .cpu = us(usage.ru_utime) + us(usage.ru_stime),
        .faults = usage.ru_minflt,
    };
}

static void measure(const char *name, char *const *command, const char *library, int rounds,
                    int way_count)
{
    double *times[WAYS], *cpu[WAYS];
    long faults[WAYS];
    for (int w = 0; w < way_count; w++)
        if (!(times[w] = calloc((size_t)rounds, sizeof **times)) ||
            !(cpu[w] = calloc((size_t)rounds, sizeof **cpu)))
            exit(1);
    for (int round = 0; round < rounds; round++)
        for (int w = 0; w < way_count; w++) {
            struct cost cost = run(command, &ways[w], library);
            times[w][round] = cost.time;
            cpu[w][round] = cost.cpu;
            faults[w] = cost.faults;
        }
    int middle = rounds / 2;
    for (int w = 0; w < way_count; w++) {
        qsort(times[w], (size_t)rounds, sizeof **times, compare);
        qsort(cpu[w], (size_t)rounds, sizeof **cpu, compare);
        printf("%s, %s: median %.0f us, on a CPU %.0f us", name, ways[w].name, times[w][middle],
               cpu[w][middle]);
        if (w > 0)
            printf(" (%+.0f us, %+.0f us; %.3f x, %.3f x; page faults %+ld)",
                   times[w][middle] - times[0][middle], cpu[w][middle] - cpu[0][middle],
                   times[w][middle] / times[0][middle], cpu[w][middle] / cpu[0][middle],
                   faults[w] - faults[0]);
        putchar('\n');
    }
    for (int w = 0; w < way_count; w++) {
        free(times[w]);
        free(cpu[w]);
    }
}

int main(int argc, char **argv)
{
    static char script[] = "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done";
    char *nothing[] = {"/bin/true", NULL};
    char *commands[] = {"/bin/sh", "-c", script, NULL};
    if (argc < 2) {
        fputs("usage: start LIBRARY [ROUNDS]\n", stderr);
        return 64;
    }
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : DEFAULT_ROUNDS;
    measure("/bin/true", nothing, argv[1], rounds, WAYS);
    measure("sh, 1,000 commands", commands, argv[1], SCRIPT_ROUNDS, 2);
    return 0;
}
