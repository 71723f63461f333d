// SPDX-License-Identifier: MIT
// The JavaScript frames of a Node that is blocked in a call of its main thread, and how long it
// takes to read them.
//   javascript_frames PID [--times=N] [--record=FILE]
// There is no unwinder here: the frames of V8 that C++ was called from are looked for on the stack,
// and of all that scan so the one with most frames is taken. Good enough to measure, not to report.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "v8_recording.h"

enum { STACK_LIMIT = 256 * 1024, TIMES_LIMIT = 100000 };

static struct v8_recording recording;
static struct stack_snapshot snapshot;
static struct stack_trace trace;
static struct javascript_frame frames[JAVASCRIPT_FRAME_LIMIT];
static unsigned char stack[STACK_LIMIT];
static struct memory_reader process;

static size_t record(const struct memory_reader *reader, uintptr_t address, void *to, size_t size)
{
    (void)reader;
    uintptr_t first = address & ~(uintptr_t)(V8_PAGE_SIZE - 1);
    for (uintptr_t page = first; page < address + size; page += V8_PAGE_SIZE) {
        unsigned i = 0;
        while (i < recording.count && recording.address[i] != page)
            i++;
        if (i == recording.count && i < RECORDED_PAGES &&
            memory_read(&process, page, recording.page[i], V8_PAGE_SIZE))
            recording.address[recording.count++] = page;
    }
    return process.read(&process, address, to, size);
}

static uint64_t stack_pointer(int pid)
{
    char path[64];
    unsigned long sp = 0, pc = 0;
    snprintf(path, sizeof path, "/proc/%d/syscall", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    char line[256] = "";
    if (fgets(line, sizeof line, file)) {
        char *last = strrchr(line, ' ');
        if (last) {
            pc = strtoul(last, NULL, 16);
            *last = '\0';
            last = strrchr(line, ' ');
            sp = last ? strtoul(last, NULL, 16) : 0;
        }
    }
    fclose(file);
    return pc ? sp : 0;
}

static unsigned walk(struct memory_reader *reader, struct javascript_workspace *work, uint64_t fp)
{
    struct javascript_stack_facts facts;
    trace = (struct stack_trace){.count = 1, .end = STACK_END_LOST};
    trace.frame_pointer[0] = fp;
    stack_snapshot_begin(&snapshot);
    return javascript_read_stack(&recording.runtime, reader, work, &trace, &snapshot, frames,
                                 JAVASCRIPT_FRAME_LIMIT, &facts);
}

static uint64_t find_exit_frame(struct javascript_workspace *work, uint64_t sp)
{
    uint64_t best = 0;
    unsigned most = 0;
    size_t size = process.read(&process, sp, stack, sizeof stack);
    for (size_t at = 8; at + 16 <= size; at += 8) {
        uint64_t mark, caller;
        memcpy(&mark, stack + at - 8, 8);
        memcpy(&caller, stack + at, 8);
        if ((mark & 1) || mark == 0 || mark > 127 || caller <= sp + at || caller > sp + size)
            continue;
        unsigned count = walk(&process, work, sp + at);
        if (count > most) {
            most = count;
            best = sp + at;
        }
    }
    return best;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void measure(struct javascript_workspace *work, unsigned times)
{
    static double took[TIMES_LIMIT];
    unsigned count = 0;
    for (unsigned i = 0; i < times; i++) {
        double start = now_us();
        count = walk(&process, work, recording.frame_pointer);
        took[i] = now_us() - start;
    }
    qsort(took, times, sizeof *took, by_value);
    printf("V8 %d.%d: %u frames, each read twice: median %.0f us, 99 %% below %.0f us\n",
           recording.runtime.major, recording.runtime.minor, count, took[times / 2],
           took[times * 99 / 100]);
}

int main(int argc, char **argv)
{
    const char *file = NULL;
    unsigned times = 0;
    if (argc < 2)
        return 64;
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "--times=", 8) == 0)
            times = (unsigned)strtoul(argv[i] + 8, NULL, 10) % TIMES_LIMIT;
        else if (strncmp(argv[i], "--record=", 9) == 0)
            file = argv[i] + 9;
    }
    int pid = (int)strtol(argv[1], NULL, 10);
    struct javascript_workspace *work = calloc(1, javascript_workspace_size());
    uint64_t sp = stack_pointer(pid);
    process = memory_reader_process(pid);
    if (!work || !javascript_runtime_find(&process, pid, &recording.runtime) ||
        !javascript_runtime_prepare(&process, &recording.runtime) ||
        !(recording.frame_pointer = find_exit_frame(work, sp))) {
        fprintf(stderr, "javascript_frames: no frames of V8 in process %d\n", pid);
        return 1;
    }
    if (times > 0)
        measure(work, times);
    struct memory_reader recorder = {.read = record, .pid = pid, .fd = -1};
    unsigned count = walk(&recorder, work, recording.frame_pointer);
    for (unsigned i = 0; times == 0 && i < count; i++)
        printf("%s\t%d\t%d\t%s\n", frames[i].file, frames[i].line, frames[i].column,
               frames[i].function);
    FILE *out = file ? fopen(file, "we") : NULL;
    if (out) {
        fwrite(&recording, sizeof recording, 1, out);
        fclose(out);
    }
    free(work);
    return 0;
}
