// SPDX-License-Identifier: MIT
/*
 * Frames that no unwind table describes: code made at run time.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/modules.h"
#include "explain/symbols.h"
#include "explain/unwinder.h"
#include "slots/capture_registers.h"

#define NOINLINE     __attribute__((noinline, noclone))
#define WITH_FRAME   NOINLINE __attribute__((optimize("no-omit-frame-pointer")))
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

#if defined(__x86_64__)

static struct memory_reader reader;
static struct stack_snapshot snapshot;
static struct stack_trace trace;
static struct stack_frame_name names[STACK_DEPTH_LIMIT];

static NOINLINE void unwind_here(void)
{
    struct saved_registers registers;
    capture_registers(&registers);
    assert_true(stack_snapshot_take(&reader, &registers, &snapshot));
    unwind_snapshot(&snapshot, modules_own(), &reader, STACK_DEPTH_LIMIT, &trace);
    symbolize(&trace, modules_own(), &reader, names, STACK_DEPTH_LIMIT);
}

static void *generate(const unsigned char *code, size_t size)
{
    unsigned char *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    memcpy(page, code, size);
    assert_int_equal(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
    return page;
}

static NOINLINE void call_code(const unsigned char *code, size_t size, void (*callback)(void))
{
    void *page = generate(code, size);
    void (*run)(void (*)(void)) = (void (*)(void (*)(void)))page;
    run(callback);
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

static const unsigned char with_frame_pointer[] = {
    0x55,             /* push %rbp */
    0x48, 0x89, 0xe5, /* mov %rsp,%rbp */
    0xff, 0xd7,       /* call *%rdi */
    0x5d,             /* pop %rbp */
    0xc3              /* ret */
};

static void test_generated_code_with_frame_pointer(void **state)
{
    (void)state;
    call_code(with_frame_pointer, sizeof(with_frame_pointer), unwind_here);
    assert_generated_frame();
    assert_true(trace.frame_pointer[0] == 0 && trace.frame_pointer[1] != 0);
}

static NOINLINE void call_code_twice(void)
{
    call_code(with_frame_pointer, sizeof(with_frame_pointer), unwind_here);
    KEEP_FRAME();
}

static void test_generated_code_between_functions(void **state)
{
    (void)state;
    call_code(with_frame_pointer, sizeof(with_frame_pointer), call_code_twice);
    assert_generated_frame();
    assert_string_equal(names[3].symbol, "call_code_twice");
    assert_string_equal(names[4].module, "");
    assert_string_equal(names[5].symbol, "call_code");
}

static uintptr_t false_return_address;

/* As unwind_here(), while the frame record of the generated caller is a false one. */
static WITH_FRAME void unwind_with_false_return_address(void)
{
    struct saved_registers registers;
    capture_registers(&registers);
    uint64_t *record = *(uint64_t **)__builtin_frame_address(0), saved = record[1];
    record[1] = false_return_address;
    assert_true(stack_snapshot_take(&reader, &registers, &snapshot));
    record[1] = saved;
    unwind_snapshot(&snapshot, modules_own(), &reader, STACK_DEPTH_LIMIT, &trace);
    KEEP_FRAME();
}

/* A return address that no call precedes, and one outside of code, end the chain before them. */
static void test_return_address_unproven(void **state)
{
    (void)state;
    static const unsigned char no_code[16] = {0xe8, 1, 2, 3, 4, 0xe8, 1, 2, 3, 4};
    uintptr_t unproven[] = {(uintptr_t)&call_code, (uintptr_t)&no_code[5], 0xdead0000beefULL,
                            (uintptr_t)&trace};
    for (size_t i = 0; i < sizeof(unproven) / sizeof(*unproven); i++) {
        false_return_address = unproven[i];
        call_code(with_frame_pointer, sizeof(with_frame_pointer), unwind_with_false_return_address);
        assert_int_equal(trace.count, 2);
        assert_int_equal(trace.end, STACK_END_LOST);
    }
}

/* --- A signal handler that returns to code of the program's own, as musl and Go have it */

static void handle_signal(int number)
{
    (void)number;
    unwind_here();
    KEEP_FRAME();
}

static NOINLINE void raise_with_own_restorer(void (*restorer)(void))
{
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        unsigned long mask;
    } action = {handle_signal, 0x04000000 /* SA_RESTORER */, restorer, 0}, before;
    assert_int_equal(syscall(SYS_rt_sigaction, SIGUSR1, &action, &before, 8), 0);
    raise(SIGUSR1);
    assert_int_equal(syscall(SYS_rt_sigaction, SIGUSR1, &before, NULL, 8), 0);
}

static void assert_interrupted_frames(void)
{
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_string_equal(names[0].symbol, "unwind_here");
    assert_string_equal(names[1].symbol, "handle_signal");
    assert_string_equal(names[2].module, "");
    assert_true(trace.exact[3]);
    unsigned found = 0;
    for (unsigned i = 3; i < trace.count; i++)
        found += strcmp(names[i].symbol, "raise_with_own_restorer") == 0;
    assert_int_equal(found, 1);
}

static void test_signal_frame(void **state)
{
    (void)state;
    static const unsigned char codes[][9] = {
        {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}, /* mov $15,%rax; syscall */
        {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05},             /* mov $15,%eax; syscall */
    };
    for (unsigned i = 0; i < 2; i++) {
        void *page = generate(codes[i], sizeof(codes[i]));
        raise_with_own_restorer((void (*)(void))page);
        munmap(page, 4096);
        assert_interrupted_frames();
    }
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
    call_code(code, sizeof(code), unwind_here);
    assert_generated_frame();
}

static int set_up(void **state)
{
    (void)state;
    reader = memory_reader_process(getpid());
    modules_init();
    return 0;
}

#endif

int main(void)
{
#if defined(__x86_64__)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generated_code_with_frame_pointer),
        cmocka_unit_test(test_generated_code_between_functions),
        cmocka_unit_test(test_return_address_unproven),
        cmocka_unit_test(test_perf_trampoline),
        cmocka_unit_test(test_signal_frame),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
#else
    print_message("left out: the generated code is x86_64's\n");
    return 0;
#endif
}
