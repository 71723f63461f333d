// SPDX-License-Identifier: MIT
/*
 * What it costs to take, unwind and name the stack of a blocked thread, and to unwind it with
 * libunwind, if that is installed:
 *   make build/bench/unwind_cost && build/bench/unwind_cost
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "explain/modules.h"
#include "explain/symbols.h"
#include "explain/unwinder.h"
#include "libunwind_reference.h"
#include "slots/capture_registers.h"

enum { ROUNDS = 2001 };

struct sleeper {
    struct saved_registers registers;
    int depth;
    int ready[2], release[2];
};

static bool libunwind; /* is installed */
static struct stack_snapshot snapshot;
static struct stack_trace trace;
static struct stack_frame_name names[STACK_DEPTH_LIMIT];

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static __attribute__((noinline)) int descend(struct sleeper *sleeper, int depth)
{
    char byte = 0;
    if (depth > 0) {
        int result = descend(sleeper, depth - 1);
        __asm__ volatile("" : "+r"(result)); /* no tail call */
        return result;
    }
    capture_registers(&sleeper->registers);
    if (write(sleeper->ready[1], &byte, 1) != 1 || read(sleeper->release[0], &byte, 1) != 1)
        abort();
    return byte;
}

static void *sleep_deep(void *argument)
{
    struct sleeper *sleeper = argument;
    int result = descend(sleeper, sleeper->depth);
    __asm__ volatile("" : "+r"(result));
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool find_tables(const struct reference *reference, uintptr_t pc,
                        struct unwind_tables *tables)
{
    struct module module;
    if (!module_find(modules_own(), reference->memory->reader, pc, &module))
        return false;
    *tables = (struct unwind_tables){
        .low = module.map_start, .high = module.map_end, .eh_frame_hdr = module.eh_frame_hdr};
    return true;
}

static void measure_libunwind(const struct saved_registers *from,
                              const struct memory_reader *reader)
{
    static uint64_t pc[STACK_DEPTH_LIMIT];
    static double took[ROUNDS];
    struct unwind_memory memory = {.snapshot = &snapshot, .reader = reader};
    struct reference reference = {.memory = &memory, .find_tables = find_tables};
    struct cfi_registers registers;
    cfi_registers_load(&registers, from, false);
    unsigned count = 0;
    bool complete = false;
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_us();
        stack_snapshot_take(reader, from, &snapshot);
        count = reference_walk(&reference, &registers, pc, STACK_DEPTH_LIMIT, &complete);
        took[i] = now_us() - start;
    }
    qsort(took, ROUNDS, sizeof(*took), by_value);
    printf("  by libunwind: %u frames (%s), median %.1f us\n", count, complete ? "complete" : "cut",
           took[ROUNDS / 2]);
}

static void measure(int frames, const struct memory_reader *reader)
{
    struct sleeper sleeper = {.depth = frames - 4};
    pthread_t thread;
    char byte = 0;
    if (pipe(sleeper.ready) != 0 || pipe(sleeper.release) != 0 ||
        pthread_create(&thread, NULL, sleep_deep, &sleeper) != 0 ||
        read(sleeper.ready[0], &byte, 1) != 1)
        abort();

    static double took[ROUNDS], took_snapshot[ROUNDS];
    double first = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_us();
        stack_snapshot_take(reader, &sleeper.registers, &snapshot);
        took_snapshot[i] = now_us() - start;
        unwind_snapshot(&snapshot, modules_own(), reader, STACK_DEPTH_LIMIT, &trace);
        took[i] = now_us() - start;
        first = i == 0 ? took[0] : first;
    }
    unsigned reads = snapshot.reads;
    qsort(took, ROUNDS, sizeof(*took), by_value);
    qsort(took_snapshot, ROUNDS, sizeof(*took), by_value);
    double start = now_us();
    size_t named = symbolize(&trace, modules_own(), reader, names, 30);
    double symbols_first = now_us() - start;
    start = now_us();
    symbolize(&trace, modules_own(), reader, names, 30);
    printf("%u frames (%s): first %.1f us, median %.1f us (of it the copy %.1f us), %u reads; "
           "naming %zu: first %.0f us, again %.0f us\n",
           trace.count, trace.end == STACK_END_COMPLETE ? "complete" : "cut", first,
           took[ROUNDS / 2], took_snapshot[ROUNDS / 2], reads, named, symbols_first,
           now_us() - start);
    if (libunwind)
        measure_libunwind(&sleeper.registers, reader);
    if (getenv("SHOW_FRAMES") != NULL) {
        for (size_t i = 0; i < named; i++)
            printf("  %#lx %s+%#lx %s+%#lx\n", (unsigned long)names[i].pc, names[i].module,
                   (unsigned long)names[i].offset, names[i].symbol,
                   (unsigned long)names[i].symbol_offset);
    }
    if (write(sleeper.release[1], &byte, 1) != 1)
        abort();
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++) {
        close(sleeper.ready[i]);
        close(sleeper.release[i]);
    }
}

int main(void)
{
    struct memory_reader reader = memory_reader_process(getpid());
    modules_init();
    libunwind = reference_init();
    measure(11, &reader);
    measure(41, &reader);
    return 0;
}
