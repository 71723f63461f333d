// SPDX-License-Identifier: MIT
/*
 * What the library costs a program that never blocks: ns an operation, one number on stdout.
 *   hot_path devnull|pipe|fputc|malloc [COUNT, for devnull]
 * First it makes a call that blocks for an instant, so that the watchdog runs where there is one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void block_for_an_instant(void)
{
    int ends[2];
    char byte;
    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1)
        exit(1);
    for (int i = 0; i < 300; i++) /* more than the library lets through before it starts to watch */
        if (write(ends[1], "", 0) != 0)
            exit(1);
    if (read(ends[0], &byte, 1) != 1)
        exit(1);
}

static double writes_to_null(int count)
{
    int null = open("/dev/null", O_WRONLY);
    double start = now_ns();
    for (int i = 0; i < count; i++)
        if (write(null, "x", 1) != 1)
            exit(1);
    return (now_ns() - start) / count;
}

static double writes_to_pipe(int count)
{
    int ends[2];
    char record[64] = "";
    if (pipe(ends) != 0)
        exit(1);
    pid_t reader = fork();
    if (reader == 0) {
        static char buffer[65536];
        close(ends[1]);
        while (read(ends[0], buffer, sizeof buffer) > 0)
            ;
        _exit(0);
    }
    close(ends[0]);
    double start = now_ns();
    for (int i = 0; i < count; i++)
        if (write(ends[1], record, sizeof record) != sizeof record)
            exit(1);
    double spent = now_ns() - start;
    close(ends[1]);
    waitpid(reader, NULL, 0);
    return spent / count;
}

static double puts_of_characters(int count)
{
    FILE *null = fopen("/dev/null", "w");
    setvbuf(null, NULL, _IOFBF, 1 << 20);
    double start = now_ns();
    for (int i = 0; i < count; i++)
        fputc('x', null);
    return (now_ns() - start) / count;
}

static double allocations(int count)
{
    double start = now_ns();
    for (int i = 0; i < count; i++) {
        char *volatile memory = malloc(4096);
        memory[0] = 1;
        free(memory);
    }
    return (now_ns() - start) / count;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    double result = 0;
    block_for_an_instant();
    if (strcmp(mode, "devnull") == 0)
        result = writes_to_null(argc > 2 ? atoi(argv[2]) : 5000000);
    else if (strcmp(mode, "pipe") == 0)
        result = writes_to_pipe(1000000);
    else if (strcmp(mode, "fputc") == 0)
        result = puts_of_characters(400000000);
    else if (strcmp(mode, "malloc") == 0)
        result = allocations(30000000);
    else
        return 64;
    printf("%.3f\n", result);
    return 0;
}
