// SPDX-License-Identifier: MIT
/*
 * Stacks of really blocked threads, unwound from another thread: names and order against the known
 * chain of calls, addresses against glibc's backtrace(3); and garbage, which must not crash.
 */
#include <dirent.h>
#include <execinfo.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/modules.h"
#include "explain/symbols.h"
#include "explain/unwinder.h"
#include "left_out.h"
#include "slots/capture_registers.h"

#define NOINLINE __attribute__((noinline, noclone))
/* After a call: makes it no tail call. */
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

static struct memory_reader reader;
static struct stack_snapshot snapshot;
static struct stack_trace trace;
static struct stack_frame_name names[STACK_DEPTH_LIMIT];

/* --- A thread that captures its registers in some function and waits there
 * ------------------------ */

struct sleeper {
    pthread_t thread;
    void (*body)(struct sleeper *);
    int ready[2], release[2];
    struct saved_registers registers;
    void *backtrace[STACK_DEPTH_LIMIT];
    int backtrace_count;
    int depth;
    volatile pid_t tid;
};
static struct sleeper *signalled; /* a signal handler has no other argument */

/* Inlined: the frame that waits is that of the caller. */
static inline __attribute__((always_inline)) void wait_here(struct sleeper *sleeper)
{
    char byte = 0;
    sleeper->backtrace_count = backtrace(sleeper->backtrace, STACK_DEPTH_LIMIT);
    capture_registers(&sleeper->registers);
    if (write(sleeper->ready[1], &byte, 1) != 1 || read(sleeper->release[0], &byte, 1) != 1)
        abort();
    KEEP_FRAME();
}

static void *run_sleeper(void *argument)
{
    struct sleeper *sleeper = argument;
    sleeper->tid = gettid();
    sleeper->body(sleeper);
    KEEP_FRAME();
    return NULL;
}

static void start(struct sleeper *sleeper, void (*body)(struct sleeper *),
                  const pthread_attr_t *attributes)
{
    char byte;
    sleeper->body = body;
    assert_int_equal(pipe(sleeper->ready), 0);
    assert_int_equal(pipe(sleeper->release), 0);
    assert_int_equal(pthread_create(&sleeper->thread, attributes, run_sleeper, sleeper), 0);
    assert_int_equal(read(sleeper->ready[0], &byte, 1), 1);
}

static void stop(struct sleeper *sleeper)
{
    char byte = 0;
    assert_int_equal(write(sleeper->release[1], &byte, 1), 1);
    assert_int_equal(pthread_join(sleeper->thread, NULL), 0);
    for (int i = 0; i < 2; i++) {
        close(sleeper->ready[i]);
        close(sleeper->release[i]);
    }
}

static void unwind(const struct sleeper *sleeper)
{
    assert_true(stack_snapshot_take(&reader, &sleeper->registers, &snapshot));
    unwind_snapshot(&snapshot, modules_own(), &reader, STACK_DEPTH_LIMIT, &trace);
    assert_int_equal(symbolize(&trace, modules_own(), &reader, names, STACK_DEPTH_LIMIT),
                     trace.count);
}

/* The functions from the innermost on, up to a NULL. */
static void assert_frames(const char *first, ...)
{
    va_list list;
    va_start(list, first);
    unsigned i = 0;
    for (const char *name = first; name != NULL; name = va_arg(list, const char *), i++) {
        assert_true(i < trace.count);
        assert_string_equal(names[i].symbol, name);
    }
    va_end(list);
}

static void assert_same_as_backtrace(const struct sleeper *sleeper)
{
    unsigned own = UNDER_ASAN || UNDER_TSAN; /* their backtrace() is a frame more */
    assert_int_equal(trace.count + own, sleeper->backtrace_count);
    for (unsigned i = 1; i < trace.count; i++) /* 0 is two places in one function */
        assert_int_equal(trace.pc[i], (uintptr_t)sleeper->backtrace[i + own]);
}

/* --- The kinds of frames
 * ---------------------------------------------------------------------------- */

static NOINLINE void inner(struct sleeper *sleeper)
{
    wait_here(sleeper);
}

static NOINLINE void middle(struct sleeper *sleeper)
{
    inner(sleeper);
    KEEP_FRAME();
}

static NOINLINE void outer(struct sleeper *sleeper)
{
    middle(sleeper);
    KEEP_FRAME();
}

static void test_names_and_order(void **state)
{
    (void)state;
    struct sleeper sleeper = {0};
    start(&sleeper, outer, NULL);
    unwind(&sleeper);
    stop(&sleeper);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_frames("inner", "middle", "outer", "run_sleeper", NULL);
    assert_same_as_backtrace(&sleeper);
    assert_true(trace.exact[0]);
    assert_false(trace.exact[1]);
    char executable[4096] = "";
    assert_true(readlink("/proc/self/exe", executable, sizeof(executable) - 1) > 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(names[i].module, executable);
        assert_true(names[i].build_id_size > 0);
        assert_true(names[i].symbol_offset > 0 && names[i].symbol_offset < 4096);
    }
    assert_non_null(strstr(names[trace.count - 1].module, "libc.so"));
}

static NOINLINE __attribute__((optimize("O0"))) void not_optimized(struct sleeper *sleeper)
{
    inner(sleeper);
    KEEP_FRAME();
}

/* A frame of unknown size is addressed through the frame pointer. */
static NOINLINE void with_alloca(struct sleeper *sleeper)
{
    volatile char *block = __builtin_alloca((size_t)sleeper->depth);
    block[0] = 1;
    not_optimized(sleeper);
    block[1] = 2;
}

/* A realigned stack: gcc finds the caller's frame by an expression. */
static NOINLINE void with_realigned_stack(struct sleeper *sleeper)
{
    char block[256] __attribute__((aligned(256)));
    __asm__ volatile("" ::"r"(block) : "memory");
    with_alloca(sleeper);
    KEEP_FRAME();
}

static void test_frame_kinds(void **state)
{
    (void)state;
    struct sleeper sleeper = {.depth = 5000};
    start(&sleeper, with_realigned_stack, NULL);
    unwind(&sleeper);
    stop(&sleeper);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_frames("inner", "not_optimized", "with_alloca", "with_realigned_stack", "run_sleeper",
                  NULL);
    assert_same_as_backtrace(&sleeper);
}

static NOINLINE int recurse(struct sleeper *sleeper, int depth)
{
    if (depth == 0)
        inner(sleeper);
    else
        depth = recurse(sleeper, depth - 1);
    KEEP_FRAME();
    return depth;
}

static void recurse_body(struct sleeper *sleeper)
{
    recurse(sleeper, sleeper->depth - 1);
    KEEP_FRAME();
}

static void test_recursion(void **state)
{
    (void)state;
    struct sleeper sleeper = {.depth = 200};
    start(&sleeper, recurse_body, NULL);
    unwind(&sleeper);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_same_as_backtrace(&sleeper);
    for (unsigned i = 1; i <= 200; i++)
        assert_string_equal(names[i].symbol, "recurse");
    assert_string_equal(names[201].symbol, "recurse_body");

    unwind_snapshot(&snapshot, modules_own(), &reader, 7, &trace);
    assert_int_equal(trace.end, STACK_END_DEPTH);
    assert_int_equal(trace.count, 7);
    stop(&sleeper);
}

/* More stack than the snapshot holds. */
static NOINLINE void with_large_frame(struct sleeper *sleeper)
{
    char block[3 * SNAPSHOT_LIMIT];
    __asm__ volatile("" ::"r"(block) : "memory");
    inner(sleeper);
    KEEP_FRAME();
}

static void test_deep_stack(void **state)
{
    (void)state;
    struct sleeper sleeper = {0};
    start(&sleeper, with_large_frame, NULL);
    unwind(&sleeper);
    stop(&sleeper);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_frames("inner", "with_large_frame", "run_sleeper", NULL);
}

static void handle_signal(int number)
{
    (void)number;
    inner(signalled);
    KEEP_FRAME();
}

static NOINLINE void raise_fault(struct sleeper *sleeper)
{
    signalled = sleeper;
    raise(SIGUSR1);
    KEEP_FRAME();
}

static void test_signal_handler(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = handle_signal}, before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    struct sleeper sleeper = {0};
    start(&sleeper, raise_fault, NULL);
    unwind(&sleeper);
    stop(&sleeper);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_frames("inner", "handle_signal", NULL);
    assert_same_as_backtrace(&sleeper);
    unsigned found = 0;
    for (unsigned i = 0; i < trace.count; i++)
        found += strcmp(names[i].symbol, "raise_fault") == 0;
    assert_int_equal(found, 1);
    unsigned interrupted = 1; /* 2 is the trampoline itself: a return address of the handler */
    while (interrupted < trace.count && !trace.exact[interrupted])
        interrupted++;
    assert_true(UNDER_TSAN ? interrupted > 3 : interrupted == 3); /* TSan calls the handler */
    assert_true(interrupted < trace.count);
}

static char *other_stack;
static const size_t OTHER_STACK_SIZE = 2097152; /* TSan takes most of 1 MiB of a thread's */

static NOINLINE void raise_on_other_stack(struct sleeper *sleeper)
{
    stack_t other = {.ss_sp = other_stack, .ss_size = OTHER_STACK_SIZE},
            none = {.ss_flags = SS_DISABLE};
    if (sigaltstack(&other, NULL) != 0)
        abort();
    raise_fault(sleeper);
    sigaltstack(&none, NULL);
}

/* The handler's stack lies above the thread's: the way back to it goes down. */
static void test_signal_handler_on_other_stack(void **state)
{
    (void)state;
    char *stacks = mmap(NULL, 2 * OTHER_STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(stacks != MAP_FAILED);
    other_stack = stacks + OTHER_STACK_SIZE;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stacks, OTHER_STACK_SIZE);
    struct sigaction action = {.sa_handler = handle_signal, .sa_flags = SA_ONSTACK}, before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    struct sleeper sleeper = {0};
    start(&sleeper, raise_on_other_stack, &attributes);
    unwind(&sleeper);
    stop(&sleeper);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    pthread_attr_destroy(&attributes);
    munmap(stacks, 2 * OTHER_STACK_SIZE);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_same_as_backtrace(&sleeper);
    unsigned above = UNDER_TSAN ? 5 : 4; /* it also starts the threads */
    assert_string_equal(names[trace.count - above].symbol, "raise_on_other_stack");
}

/* --- Only pc and sp
 * -------------------------------------------------------------------------------- */

/* Reads what the kernel says of a thread until it waits in write(2). */
static void wait_for_write(pid_t tid, uint64_t *pc, uint64_t *sp)
{
    char path[64], line[256];
    snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
    for (int tries = 0; tries < 20000; tries++) {
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        long number = -1;
        unsigned long values[2] = {0};
        if (fgets(line, sizeof(line), file) != NULL)
            sscanf(line, "%ld %*s %*s %*s %*s %*s %*s %lx %lx", &number, &values[0], &values[1]);
        fclose(file);
        if (number == 1 || (number == 64 && sizeof(void *) == 8 && values[0] != 0)) {
            *sp = values[0];
            *pc = values[1];
            return;
        }
        usleep(1000);
    }
    fail_msg("thread %d did not come to wait in write(2)", tid);
}

static int full_pipe[2];

static void fill_pipe(void)
{
    assert_int_equal(pipe(full_pipe), 0);
    static char zeroes[65536];
    assert_int_equal(write(full_pipe[1], zeroes, sizeof(zeroes)), sizeof(zeroes));
}

static NOINLINE void write_to_full_pipe(struct sleeper *sleeper)
{
    char byte = 0;
    if (write(sleeper->ready[1], &byte, 1) != 1 || write(full_pipe[1], &byte, 1) != 1)
        abort();
    KEEP_FRAME();
}

/* Its frame holds what looks like a frame record, nearer than the true one: an address that a call
 * returns to. But the frames from there on lead nowhere. */
static NOINLINE __attribute__((optimize("O0"))) void
write_through_frame_pointer(struct sleeper *sleeper)
{
    __attribute__((unused)) volatile uintptr_t false_record[2] = {
        1, (uintptr_t)__builtin_return_address(0)};
    char byte = 0;
    if (write(sleeper->ready[1], &byte, 1) != 1 || write(full_pipe[1], &byte, 1) != 1)
        abort();
}

static NOINLINE void call_not_optimized(struct sleeper *sleeper)
{
    write_through_frame_pointer(sleeper);
    KEEP_FRAME();
}

#define WITH_FRAME_POINTER __attribute__((optimize("no-omit-frame-pointer")))

/* The frame record lies farther away than one is searched, and before it what looks like one. */
static NOINLINE WITH_FRAME_POINTER void write_below_large_buffer(struct sleeper *sleeper)
{
    volatile uintptr_t buffer[4096];
    char byte = 0;
    for (unsigned i = 0; i < 4096; i += 8) {
        buffer[i] = (uintptr_t)&buffer[i + 4];
        buffer[i + 1] = (uintptr_t)__builtin_return_address(0);
    }
    if (write(sleeper->ready[1], &byte, 1) != 1 || write(full_pipe[1], &byte, 1) != 1)
        abort();
    KEEP_FRAME();
}

/* Where its frame begins no instruction tells, and a record of an earlier call leads to a word that
 * happens to be 0, as if the stack ended there. */
static NOINLINE WITH_FRAME_POINTER void write_above_false_end(struct sleeper *sleeper)
{
    volatile uintptr_t *remnant = __builtin_alloca((sleeper->ready[1] % 2 + 8) * 128UL);
    char byte = 0;
    for (unsigned i = 0; i < 128; i++)
        remnant[i] = 0;
    remnant[4] = (uintptr_t)&remnant[12];
    remnant[5] = (uintptr_t)__builtin_return_address(0);
    if (write(sleeper->ready[1], &byte, 1) != 1 || write(full_pipe[1], &byte, 1) != 1)
        abort();
    KEEP_FRAME();
}

static void unwind_blocked_writer(void (*body)(struct sleeper *))
{
    fill_pipe();
    struct sleeper sleeper = {0};
    start(&sleeper, body, NULL);
    uint64_t pc = 0, sp = 0;
    wait_for_write(sleeper.tid, &pc, &sp);
    assert_true(stack_snapshot_take_pc_sp(&reader, pc, sp, &snapshot));
    unwind_snapshot(&snapshot, modules_own(), &reader, STACK_DEPTH_LIMIT, &trace);
    symbolize(&trace, modules_own(), &reader, names, STACK_DEPTH_LIMIT);
    static char drained[65536];
    assert_int_equal(read(full_pipe[0], drained, sizeof(drained)), sizeof(drained));
    assert_int_equal(pthread_join(sleeper.thread, NULL), 0);
    close(full_pipe[0]);
    close(full_pipe[1]);
    assert_non_null(strstr(names[0].module, "libc.so"));
    if (strstr(names[1].symbol, "write") != NULL && strstr(names[1].module, "san.so") != NULL)
        memmove(&names[1], &names[2], sizeof(names) - 2 * sizeof(*names));
}

static void test_only_pc_and_sp(void **state)
{
    (void)state;
    unwind_blocked_writer(write_to_full_pipe);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_string_equal(names[1].symbol, "write_to_full_pipe");
    assert_string_equal(names[2].symbol, "run_sleeper");
}

static void test_only_pc_and_sp_frame_pointer_searched(void **state)
{
    (void)state;
    if (UNDER_ASAN || UNDER_TSAN)
        LEAVE_OUT("the sanitizer's write() is a frame more, with another shape");
    unwind_blocked_writer(call_not_optimized);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_string_equal(names[1].symbol, "write_through_frame_pointer");
    assert_string_equal(names[2].symbol, "call_not_optimized");
    assert_string_equal(names[3].symbol, "run_sleeper");
}

static void test_only_pc_and_sp_below_large_buffer(void **state)
{
    (void)state;
    if (UNDER_ASAN || UNDER_TSAN)
        LEAVE_OUT("the sanitizer's write() is a frame more, with another shape");
    unwind_blocked_writer(write_below_large_buffer);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_string_equal(names[1].symbol, "write_below_large_buffer");
    assert_string_equal(names[2].symbol, "run_sleeper");
    assert_int_equal(trace.count, 5);
}

static void test_only_pc_and_sp_above_false_end(void **state)
{
    (void)state;
    if (UNDER_ASAN || UNDER_TSAN)
        LEAVE_OUT("the sanitizer's write() is a frame more, with another shape");
    unwind_blocked_writer(write_above_false_end);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_string_equal(names[1].symbol, "write_above_false_end");
    assert_string_equal(names[2].symbol, "run_sleeper");
    assert_int_equal(trace.count, 5); /* and those of the thread's start */
}

/* --- What vanishes, and garbage
 * ---------------------------------------------------------------------- */

static void test_stack_unmapped(void **state)
{
    (void)state;
    size_t size = OTHER_STACK_SIZE;
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(stack != MAP_FAILED);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, size);
    struct sleeper sleeper = {0};
    start(&sleeper, outer, &attributes);
    assert_true(stack_snapshot_take(&reader, &sleeper.registers, &snapshot));
    stop(&sleeper);
    munmap(stack, size);
    pthread_attr_destroy(&attributes);

    /* The copy outlives the stack … */
    unwind_snapshot(&snapshot, modules_own(), &reader, STACK_DEPTH_LIMIT, &trace);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_same_as_backtrace(&sleeper);
    /* … and of what is gone nothing is copied. */
    assert_false(stack_snapshot_take(&reader, &sleeper.registers, &snapshot));
    unwind_snapshot(&snapshot, modules_own(), &reader, STACK_DEPTH_LIMIT, &trace);
    assert_int_equal(trace.count, 1);
    assert_int_equal(trace.end, STACK_END_LOST);
}

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Some garbage is near the truth: that goes farthest. */
static uint64_t garbage(const struct saved_registers *real, const struct stack_snapshot *copy)
{
    switch (next_random() % 6) {
    case 0:
        return next_random();
    case 1:
        return real->sp + next_random() % 4096;
    case 2:
        return real->pc + next_random() % 65536 - 32768;
    case 3:
        return copy->start + (next_random() % SNAPSHOT_LIMIT & ~7ULL);
    case 4:
        return (uintptr_t)&memcpy + next_random() % (1024 * 1024);
    default:
        return next_random() % 64;
    }
}

static void test_garbage(void **state)
{
    (void)state;
    static struct stack_snapshot real;
    struct sleeper sleeper = {.depth = 20};
    start(&sleeper, recurse_body, NULL);
    assert_true(stack_snapshot_take(&reader, &sleeper.registers, &real));
    unsigned longest = 0, most_reads = 0;
    for (unsigned round = 0; round < 100000; round++) {
        struct saved_registers registers = real.registers;
        uint64_t *values = (uint64_t *)&registers;
        for (size_t i = 0; i < sizeof(registers) / sizeof(*values); i++) {
            if (next_random() % 3 == 0)
                values[i] = garbage(&real.registers, &real);
        }
        if (next_random() % 4 == 0)
            stack_snapshot_take_pc_sp(&reader, registers.pc, registers.sp, &snapshot);
        else
            stack_snapshot_take(&reader, &registers, &snapshot);
        for (unsigned i = 0; snapshot.size > 8 && i < round % 4; i++)
            snapshot.bytes[next_random() % (snapshot.size < 1024 ? snapshot.size : 1024)] =
                (unsigned char)next_random();
        unwind_snapshot(&snapshot, modules_own(), &reader, STACK_DEPTH_LIMIT, &trace);
        assert_in_range(trace.count, 1, STACK_DEPTH_LIMIT);
        longest = trace.count > longest ? trace.count : longest;
        most_reads = snapshot.reads > most_reads ? snapshot.reads : most_reads;
        if (round % 100 == 0)
            symbolize(&trace, modules_own(), &reader, names, STACK_DEPTH_LIMIT);
    }
    stop(&sleeper);
    assert_true(longest > 20); /* some of it got far */
    print_message("longest %u frames, most reads %u\n", longest, most_reads);
}

static unsigned open_fds(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static unsigned mappings(void)
{
    unsigned count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    assert_non_null(file);
    for (int c; (c = getc(file)) != EOF;)
        count += c == '\n';
    fclose(file);
    return count;
}

static void test_nothing_grows(void **state)
{
    (void)state;
    struct sleeper sleeper = {.depth = 3};
    start(&sleeper, recurse_body, NULL);
    unwind(&sleeper);
    unsigned fds = open_fds(), maps = mappings();
    size_t heap = mallinfo2().uordblks;
    for (unsigned i = 0; i < 100000; i++) {
        stack_snapshot_take(&reader, &sleeper.registers, &snapshot);
        unwind_snapshot(&snapshot, modules_own(), &reader, STACK_DEPTH_LIMIT, &trace);
    }
    for (unsigned i = 0; i < 1000; i++)
        symbolize(&trace, modules_own(), &reader, names, STACK_DEPTH_LIMIT);
    assert_int_equal(mallinfo2().uordblks, heap);
    assert_int_equal(open_fds(), fds);
    assert_in_range(mappings(), 1, maps + 2);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    stop(&sleeper);
}

/* What a child has from its parent's unwinds serves it, too. */
static void test_after_fork(void **state)
{
    (void)state;
    struct sleeper sleeper = {0};
    start(&sleeper, outer, NULL);
    assert_true(stack_snapshot_take(&reader, &sleeper.registers, &snapshot));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        reader = memory_reader_process(getpid());
        unwind_snapshot(&snapshot, modules_own(), &reader, STACK_DEPTH_LIMIT, &trace);
        _exit(trace.end == STACK_END_COMPLETE ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    stop(&sleeper);
}

static int set_up(void **state)
{
    (void)state;
    reader = memory_reader_process(getpid());
    void *first[1];
    backtrace(first, 1); /* its first call loads libgcc */
    modules_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_order),
        cmocka_unit_test(test_frame_kinds),
        cmocka_unit_test(test_recursion),
        cmocka_unit_test(test_deep_stack),
        cmocka_unit_test(test_signal_handler),
        cmocka_unit_test(test_signal_handler_on_other_stack),
        cmocka_unit_test(test_only_pc_and_sp),
        cmocka_unit_test(test_only_pc_and_sp_frame_pointer_searched),
        cmocka_unit_test(test_only_pc_and_sp_below_large_buffer),
        cmocka_unit_test(test_only_pc_and_sp_above_false_end),
        cmocka_unit_test(test_stack_unmapped),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_nothing_grows),
        cmocka_unit_test(test_after_fork),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
