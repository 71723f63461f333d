// SPDX-License-Identifier: MIT
/*
 * Frames that no unwind table describes: code made at run time, and all frames where libunwind is
 * missing. The first tests run before unwinder_init().
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/modules.h"
#include "explain/symbols.h"
#include "explain/unwinder.h"
#include "slots/capture_registers.h"

#define NOINLINE     __attribute__((noinline, noclone))
#define WITH_FRAME   NOINLINE __attribute__((optimize("no-omit-frame-pointer")))
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

static struct memory_reader reader;
static struct stack_snapshot snapshot;
static struct stack_trace trace;
static struct stack_frame_name names[STACK_DEPTH_LIMIT];

static NOINLINE void unwind_here(void)
{
    struct saved_registers registers;
    capture_registers(&registers);
    assert_true(stack_snapshot_take(&reader, &registers, &snapshot));
    unwind_snapshot(&snapshot, &reader, STACK_DEPTH_LIMIT, &trace);
    symbolize(&trace, &reader, names, STACK_DEPTH_LIMIT);
}

static WITH_FRAME void third(uintptr_t outermost)
{
    struct saved_registers registers;
    capture_registers(&registers);
    uint64_t *record = __builtin_frame_address(0);
    record = (uint64_t *)*record; /* second()'s */
    record = (uint64_t *)*record; /* first()'s */
    uint64_t saved[2] = {record[0], record[1]};
    record[1] = outermost != 0 ? outermost : saved[1];
    assert_true(stack_snapshot_take(&reader, &registers, &snapshot));
    record[1] = saved[1];
    unwind_snapshot(&snapshot, &reader, STACK_DEPTH_LIMIT, &trace);
    symbolize(&trace, &reader, names, STACK_DEPTH_LIMIT);
}

static WITH_FRAME void second(uintptr_t outermost)
{
    third(outermost);
    KEEP_FRAME();
}

static WITH_FRAME void first(uintptr_t outermost)
{
    second(outermost);
    KEEP_FRAME();
}

static WITH_FRAME void test_frame_pointers(void **state)
{
    (void)state;
    first(0);
    assert_true(trace.count >= 4);
    assert_string_equal(names[0].symbol, "third");
    assert_string_equal(names[1].symbol, "second");
    assert_string_equal(names[2].symbol, "first");
    assert_string_equal(names[3].symbol, "test_frame_pointers");
}

/* A return address that no call precedes, and one outside of code, end the chain before them. */
static void test_frame_pointers_unproven(void **state)
{
    (void)state;
    static const unsigned char no_code[16] = {0xe8, 1, 2, 3, 4, 0xe8, 1, 2, 3, 4};
    uintptr_t unproven[] = {(uintptr_t)&first, (uintptr_t)&no_code[5], 0xdead0000beefULL,
                            (uintptr_t)&trace};
    for (size_t i = 0; i < sizeof(unproven) / sizeof(*unproven); i++) {
        first(unproven[i]);
        assert_int_equal(trace.count, 3);
        assert_int_equal(trace.end, STACK_END_LOST);
        assert_string_equal(names[2].symbol, "first");
    }
}

static void test_load(void **state)
{
    (void)state;
    assert_true(unwinder_init());
    unwind_here();
    assert_int_equal(trace.end, STACK_END_COMPLETE);
}

#if defined(__x86_64__)

static NOINLINE void call_code(const unsigned char *code, size_t size)
{
    unsigned char *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    memcpy(page, code, size);
    assert_int_equal(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
    void (*run)(void (*)(void)) = (void (*)(void (*)(void)))(void *)page;
    run(unwind_here);
    KEEP_FRAME();
    munmap(page, 4096);
}

static void assert_generated_frame(void)
{
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_string_equal(names[0].symbol, "unwind_here");
    assert_string_equal(names[1].module, "");
    assert_string_equal(names[2].symbol, "call_code");
}

static void test_generated_code_with_frame_pointer(void **state)
{
    (void)state;
    static const unsigned char code[] = {
        0x55,             /* push %rbp */
        0x48, 0x89, 0xe5, /* mov %rsp,%rbp */
        0xff, 0xd7,       /* call *%rdi */
        0x5d,             /* pop %rbp */
        0xc3              /* ret */
    };
    call_code(code, sizeof(code));
    assert_generated_frame();
}

/* What CPython 3.12 makes for perf(1). */
static void test_perf_trampoline(void **state)
{
    (void)state;
    static const unsigned char code[] = {
        0x48, 0x83, 0xec, 0x08, /* sub $8,%rsp */
        0xff, 0xd7,             /* call *%rdi */
        0x48, 0x83, 0xc4, 0x08, /* add $8,%rsp */
        0xc3                    /* ret */
    };
    call_code(code, sizeof(code));
    assert_generated_frame();
}

#endif

static int set_up(void **state)
{
    (void)state;
    reader = memory_reader_process(getpid());
    modules_init(); /* as unwinder_init() does first, whether it finds libunwind or not */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_pointers),
        cmocka_unit_test(test_frame_pointers_unproven),
        cmocka_unit_test(test_load),
#if defined(__x86_64__)
        cmocka_unit_test(test_generated_code_with_frame_pointer),
        cmocka_unit_test(test_perf_trampoline),
#endif
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
