// SPDX-License-Identifier: MIT
/* The unwinder on stacks that vanish and on garbage, after a fork, and what it takes: nothing
 * grows. */
#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/modules.h"
#include "sleeper.h"

static void test_stack_unmapped(void **state)
{
    (void)state;
    size_t size = OTHER_STACK_SIZE;
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(stack != MAP_FAILED);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, size);
    struct sleeper sleeper = {.depth = 3};
    sleeper_start(&sleeper, sleeper_recurse, &attributes);
    assert_true(stack_snapshot_take(&unwound_reader, &sleeper.registers, &unwound_snapshot));
    sleeper_stop(&sleeper);
    munmap(stack, size);
    pthread_attr_destroy(&attributes);

    /* The copy outlives the stack … */
    unwind_snapshot(&unwound_snapshot, modules_own(), &unwound_reader, STACK_DEPTH_LIMIT, &unwound);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    assert_same_as_backtrace(&sleeper);
    /* … and of what is gone nothing is copied. */
    assert_false(stack_snapshot_take(&unwound_reader, &sleeper.registers, &unwound_snapshot));
    unwind_snapshot(&unwound_snapshot, modules_own(), &unwound_reader, STACK_DEPTH_LIMIT, &unwound);
    assert_int_equal(unwound.count, 1);
    assert_int_equal(unwound.end, STACK_END_LOST);
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
    sleeper_start(&sleeper, sleeper_recurse, NULL);
    assert_true(stack_snapshot_take(&unwound_reader, &sleeper.registers, &real));
    unsigned longest = 0, most_reads = 0;
    for (unsigned round = 0; round < 100000; round++) {
        struct saved_registers registers = real.registers;
        uint64_t *values = (uint64_t *)&registers;
        for (size_t i = 0; i < sizeof(registers) / sizeof(*values); i++) {
            if (next_random() % 3 == 0)
                values[i] = garbage(&real.registers, &real);
        }
        if (next_random() % 4 == 0)
            stack_snapshot_take_pc_sp(&unwound_reader, registers.pc, registers.sp,
                                      &unwound_snapshot);
        else
            stack_snapshot_take(&unwound_reader, &registers, &unwound_snapshot);
        for (unsigned i = 0; unwound_snapshot.size > 8 && i < round % 4; i++)
            unwound_snapshot.bytes[next_random() %
                                   (unwound_snapshot.size < 1024 ? unwound_snapshot.size : 1024)] =
                (unsigned char)next_random();
        unwind_snapshot(&unwound_snapshot, modules_own(), &unwound_reader, STACK_DEPTH_LIMIT,
                        &unwound);
        assert_in_range(unwound.count, 1, STACK_DEPTH_LIMIT);
        longest = unwound.count > longest ? unwound.count : longest;
        most_reads = unwound_snapshot.reads > most_reads ? unwound_snapshot.reads : most_reads;
        if (round % 100 == 0)
            symbolize(&unwound, modules_own(), &unwound_reader, unwound_names, STACK_DEPTH_LIMIT);
    }
    sleeper_stop(&sleeper);
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
    sleeper_start(&sleeper, sleeper_recurse, NULL);
    sleeper_unwind(&sleeper);
    unsigned fds = open_fds(), maps = mappings();
    size_t heap = mallinfo2().uordblks;
    for (unsigned i = 0; i < 100000; i++) {
        stack_snapshot_take(&unwound_reader, &sleeper.registers, &unwound_snapshot);
        unwind_snapshot(&unwound_snapshot, modules_own(), &unwound_reader, STACK_DEPTH_LIMIT,
                        &unwound);
    }
    for (unsigned i = 0; i < 1000; i++)
        symbolize(&unwound, modules_own(), &unwound_reader, unwound_names, STACK_DEPTH_LIMIT);
    assert_int_equal(mallinfo2().uordblks, heap);
    assert_int_equal(open_fds(), fds);
    assert_in_range(mappings(), 1, maps + 2);
    assert_int_equal(unwound.end, STACK_END_COMPLETE);
    sleeper_stop(&sleeper);
}

/* What a child has from its parent's unwinds serves it, too. */
static void test_after_fork(void **state)
{
    (void)state;
    struct sleeper sleeper = {.depth = 3};
    sleeper_start(&sleeper, sleeper_recurse, NULL);
    assert_true(stack_snapshot_take(&unwound_reader, &sleeper.registers, &unwound_snapshot));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        unwound_reader = memory_reader_process(getpid());
        unwind_snapshot(&unwound_snapshot, modules_own(), &unwound_reader, STACK_DEPTH_LIMIT,
                        &unwound);
        _exit(unwound.end == STACK_END_COMPLETE ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    sleeper_stop(&sleeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stack_unmapped),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_nothing_grows),
        cmocka_unit_test(test_after_fork),
    };
    return cmocka_run_group_tests(tests, sleeper_set_up, NULL);
}
