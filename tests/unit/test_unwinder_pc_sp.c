// SPDX-License-Identifier: MIT
/* Stacks of threads of which only pc and sp are known, as the kernel says them of a blocked call.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/modules.h"
#include "left_out.h"
#include "sleeper.h"

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
    sleeper_start(&sleeper, body, NULL);
    uint64_t pc = 0, sp = 0;
    wait_for_write(sleeper.tid, &pc, &sp);
    assert_true(stack_snapshot_take_pc_sp(&unwound_reader, pc, sp, &unwound_snapshot));
    unwind_snapshot(&unwound_snapshot, modules_own(), &unwound_reader, STACK_DEPTH_LIMIT, &unwound);
    symbolize(&unwound, modules_own(), &unwound_reader, unwound_names, STACK_DEPTH_LIMIT);
    static char drained[65536];
    assert_int_equal(read(full_pipe[0], drained, sizeof(drained)), sizeof(drained));
    assert_int_equal(pthread_join(sleeper.thread, NULL), 0);
    close(full_pipe[0]);
    close(full_pipe[1]);
    assert_non_null(strstr(unwound_names[0].module, "libc.so"));
    if (strstr(unwound_names[1].symbol, "write") != NULL &&
        strstr(unwound_names[1].module, "san.so") != NULL)
        memmove(&unwound_names[1], &unwound_names[2],
                sizeof(unwound_names) - 2 * sizeof(*unwound_names));
}

static void test_only_pc_and_sp(void **state)
{
    (void)state;
    unwind_blocked_writer(write_to_full_pipe);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_string_equal(unwound_names[1].symbol, "write_to_full_pipe");
    assert_string_equal(unwound_names[2].symbol, "sleeper_run");
}

static void test_only_pc_and_sp_frame_pointer_searched(void **state)
{
    (void)state;
    if (UNDER_ASAN || UNDER_TSAN)
        LEAVE_OUT("the sanitizer's write() is a frame more, with another shape");
    unwind_blocked_writer(call_not_optimized);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_string_equal(unwound_names[1].symbol, "write_through_frame_pointer");
    assert_string_equal(unwound_names[2].symbol, "call_not_optimized");
    assert_string_equal(unwound_names[3].symbol, "sleeper_run");
}

static void test_only_pc_and_sp_below_large_buffer(void **state)
{
    (void)state;
    if (UNDER_ASAN || UNDER_TSAN)
        LEAVE_OUT("the sanitizer's write() is a frame more, with another shape");
    unwind_blocked_writer(write_below_large_buffer);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_string_equal(unwound_names[1].symbol, "write_below_large_buffer");
    assert_string_equal(unwound_names[2].symbol, "sleeper_run");
    assert_int_equal(unwound.count, 5);
}

static void test_only_pc_and_sp_above_false_end(void **state)
{
    (void)state;
    if (UNDER_ASAN || UNDER_TSAN)
        LEAVE_OUT("the sanitizer's write() is a frame more, with another shape");
    unwind_blocked_writer(write_above_false_end);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_string_equal(unwound_names[1].symbol, "write_above_false_end");
    assert_string_equal(unwound_names[2].symbol, "sleeper_run");
    assert_int_equal(unwound.count, 5); /* and those of the thread's start */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_pc_and_sp),
        cmocka_unit_test(test_only_pc_and_sp_frame_pointer_searched),
        cmocka_unit_test(test_only_pc_and_sp_below_large_buffer),
        cmocka_unit_test(test_only_pc_and_sp_above_false_end),
    };
    return cmocka_run_group_tests(tests, sleeper_set_up, NULL);
}
