// SPDX-License-Identifier: MIT
// How long the Python part of a report takes: a Python that blocks with 15 frames, each of a
// function and a file of its own, is read from this process.
//   python_frames [PYTHON...]
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "explain/python/python_stack.h"

enum { WARM_READINGS = 2000, COLD_RUNS = 11 };

static const char victim[] =
    "import os, sys\n"
    "def block():\n"
    "    os.write(1, b'.'); os.read(0, 1)\n"
    "call = block\n"
    "for i in range(13):\n"
    "    space = {}\n"
    "    text = 'def function_%d(call):\\n' % i + '    x = 1\\n' * 40 + '    call()\\n'\n"
    "    exec(compile(text, '/srv/application/package_%d/module.py' % i, 'exec'), space)\n"
    "    call = (lambda f, c: f.__get__(c))(space['function_%d' % i], call)\n"
    "call()\n";

static struct python_frame frames[64];
static size_t reads, read_bytes;
static size_t (*process_read)(const struct memory_reader *, uintptr_t, void *, size_t);

static size_t counting_read(const struct memory_reader *reader, uintptr_t address, void *to,
                            size_t size)
{
    reads++;
    read_bytes += size;
    return process_read(reader, address, to, size);
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

struct child {
    pid_t pid;
    int input; /* closed: it ends */
};

static struct child start_blocked_python(const char *python)
{
    int input[2], output[2];
    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(input[0], 0);
        dup2(output[1], 1);
        execl(python, python, "-S", "-c", victim, (char *)NULL);
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    char byte;
    if (read(output[0], &byte, 1) != 1)
        exit(1);
    close(output[0]);
    usleep(20000); /* from the write to the read */
    return (struct child){pid, input[1]};
}

static void measure(const char *python)
{
    double find[COLD_RUNS], cold[COLD_RUNS];
    static double warm[WARM_READINGS], running[WARM_READINGS];
    struct python_runtime runtime;
    struct python_stack_facts facts;
    char feature[PYTHON_FEATURE_LIMIT] = "";
    unsigned count = 0;
    for (unsigned run = 0; run < COLD_RUNS; run++) {
        struct child child = start_blocked_python(python);
        struct memory_reader reader = memory_reader_process(child.pid);
        double start = now_us();
        python_runtime_find(&reader, child.pid, &runtime);
        double found = now_us();
        count = python_read_stack(&runtime, &reader, child.pid, frames, 64, &facts);
        double end = now_us();
        find[run] = found - start;
        cold[run] = end - found;
        python_runtime_describe(&runtime, feature, sizeof feature);
        for (unsigned i = 0; run == COLD_RUNS - 1 && i < WARM_READINGS; i++) {
            start = now_us();
            python_read_stack(&runtime, &reader, child.pid, frames, 64, &facts);
            warm[i] = now_us() - start;
            start = now_us();
            python_read_stack_running(&runtime, &reader, child.pid, frames, 64, &facts);
            running[i] = now_us() - start;
        }
        process_read = reader.read;
        reader.read = counting_read;
        reads = read_bytes = 0;
        python_read_stack(&runtime, &reader, child.pid, frames, 64, &facts);
        close(child.input);
        waitpid(child.pid, NULL, 0);
    }
    printf("%-18s %u frames: find %.0f us (once), cold %.0f us, warm %.0f us (%zu reads, %zu "
           "bytes), as running thread %.0f us\n",
           feature, count, median(find, COLD_RUNS), median(cold, COLD_RUNS),
           median(warm, WARM_READINGS), reads, read_bytes, median(running, WARM_READINGS));
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2)
        measure("/usr/bin/python3");
    for (int i = 1; i < argc; i++)
        measure(argv[i]);
    return 0;
}
