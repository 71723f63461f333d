// SPDX-License-Identifier: MIT
/* Frames as the kernel and the compiler make them: a signal's, a call's, signed return addresses.
 */
#include <execinfo.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "cfi_image.h"
#include "explain/cfi/signal_frame.h"
#include "explain/modules.h"
#include "explain/unwinder.h"
#include "slots/capture_registers.h"

static void test_signal_frame(void **state)
{
    (void)state;
    /* Code that is rt_sigreturn(2), in memory of this process. */
#if defined(__x86_64__)
    static const unsigned char code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    static ucontext_t frame;
    static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (unsigned i = 0; i < COUNT(order); i++)
        frame.uc_mcontext.gregs[order[i]] = 0x5000 + (int)i;
#elif defined(__aarch64__)
    static const uint32_t code[] = {0xd2801168, 0xd4000001};
    static struct {
        siginfo_t info;
        ucontext_t context;
    } frame;
    for (unsigned i = 0; i < 31; i++)
        frame.context.uc_mcontext.regs[i] = 0x5000 + i;
    frame.context.uc_mcontext.sp = 0x5000 + CFI_SP;
    frame.context.uc_mcontext.pc = 0x5000 + CFI_PC;
#endif
    cfi_reader = memory_reader_image(code, (uintptr_t)code, sizeof(code));
    cfi_snapshot.start = (uintptr_t)&frame;
    cfi_snapshot.size = sizeof(frame);
    memcpy(cfi_snapshot.bytes, &frame, sizeof(frame));
    struct cfi_registers registers = {.known = 0};
    cfi_set(&registers, CFI_PC, (uintptr_t)code);
    cfi_set(&registers, CFI_SP, (uintptr_t)&frame);
    unsigned char copy[SNAPSHOT_LINE];
    struct memory_reader lines = memory_reader_image(copy, (uintptr_t)code & ~511ULL, sizeof(copy));
    memset(copy, 0, sizeof(copy));
    memcpy(copy + (uintptr_t)code % SNAPSHOT_LINE, code, sizeof(code));
    cfi_reader = lines;
    assert_true(signal_frame_step(&cfi_memory, &registers));
    for (unsigned i = 0; i < CFI_REGISTERS; i++)
        assert_true(cfi_is_known(&registers, i) && registers.value[i] == 0x5000 + i);
    cfi_set(&registers, CFI_PC, (uintptr_t)code + 1);
    assert_false(signal_frame_step(&cfi_memory, &registers));
    cfi_snapshot.size = 0;
}

static struct stack_trace trace;

#if defined(__x86_64__)

__attribute__((used)) static void unwind_here(void)
{
    static struct stack_snapshot own;
    struct memory_reader process = memory_reader_process(getpid());
    struct saved_registers registers;
    capture_registers(&registers);
    assert_true(stack_snapshot_take(&process, &registers, &own));
    unwind_snapshot(&own, modules_own(), &process, STACK_DEPTH_LIMIT, &trace);
}

/* What holds at the call is right, and what holds behind it, where the frame's pc points, is not.
 */
__asm__(".globl call_at_the_end_of_a_row\n"
        "call_at_the_end_of_a_row:\n"
        ".cfi_startproc\n"
        "sub $24, %rsp\n"
        ".cfi_adjust_cfa_offset 24\n"
        "call unwind_here\n"
        ".cfi_adjust_cfa_offset 4096\n"
        "add $24, %rsp\n"
        ".cfi_adjust_cfa_offset -4120\n"
        "ret\n"
        ".cfi_endproc\n");
void call_at_the_end_of_a_row(void);

static void test_row_of_the_call(void **state)
{
    (void)state;
    call_at_the_end_of_a_row();
    assert_int_equal(trace.end, STACK_END_COMPLETE);
}

#endif

#if defined(__aarch64__)

/* Signed by the processor, where it has pointer authentication: qemu-user's has. */
static void test_signature_is_stripped(void **state)
{
    (void)state;
    register uint64_t x17 __asm__("x17") = (uintptr_t)&test_signature_is_stripped;
    register uint64_t x16 __asm__("x16") = 0x1234;
    __asm__("hint #8" : "+r"(x17) : "r"(x16)); /* PACIA1716 */
    uint64_t made = x17;
    print_message("signed: %s\n", made != (uintptr_t)&test_signature_is_stripped ? "yes" : "no");
    assert_int_equal(cfi_strip_signature(made), (uintptr_t)&test_signature_is_stripped);
}

enum { SPACE = 2 * SNAPSHOT_LIMIT };

static __attribute__((noinline)) int compare_with_backtrace(void)
{
    /* Memory of this process, read as it is: qemu-user has no process_vm_readv(2). */
    static struct stack_snapshot own;
    struct memory_reader process = memory_reader_image(NULL, 0, SIZE_MAX);
    struct saved_registers registers;
    void *expected[STACK_DEPTH_LIMIT];
    int count = backtrace(expected, STACK_DEPTH_LIMIT);
    capture_registers(&registers);
    assert_true(stack_snapshot_take(&process, &registers, &own));
    unwind_snapshot(&own, modules_own(), &process, STACK_DEPTH_LIMIT, &trace);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_int_equal(trace.count, count);
    for (int i = 1; i < count; i++)
        assert_int_equal(trace.pc[i], (uintptr_t)expected[i]);
    return count;
}

static __attribute__((noinline)) int descend(int depth)
{
    int count = depth == 0 ? compare_with_backtrace() : descend(depth - 1);
    __asm__ volatile("" : "+r"(count));
    return count;
}

static void test_own_stack(void **state)
{
    (void)state;
    char block[SPACE]; /* the snapshot stays within the stack */
    __asm__ volatile("" ::"r"(block) : "memory");
    assert_true(descend(20) > 22);
}

#endif

int main(void)
{
    modules_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_signal_frame, cfi_set_up),
#if defined(__x86_64__)
        cmocka_unit_test(test_row_of_the_call),
#elif defined(__aarch64__)
        cmocka_unit_test(test_signature_is_stripped),
        cmocka_unit_test(test_own_stack),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
