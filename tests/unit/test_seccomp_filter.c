// SPDX-License-Identifier: MIT
/* The evaluation of seccomp filters against the kernel's own: each filter is installed in a forked
 * child, which makes the calls; a filter answers with an errno, so that all calls are harmless. */
#include <errno.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "watch/seccomp_evaluate.h"

#define NR          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARG0        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]))
#define ALLOW       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define ERR(n)      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (n))
#define EQ(k, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (t), (f))
/* Answers with A's low bits as an errno for getppid, allows all else. */
#define TAIL                                                                                       \
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x7f),                                                     \
        BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO | 1), BPF_STMT(BPF_RET | BPF_A, 0)
#define FOR_GETPPID(...)                                                                           \
    {                                                                                              \
        NR, EQ(SYS_getppid, 1, 0), ALLOW, __VA_ARGS__, TAIL                                        \
    }

static const int calls[] = {SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid};
enum { CALLS = sizeof calls / sizeof *calls };

static uint32_t evaluate(const struct sock_fprog *filter, int number)
{
    struct kernel_call call = {.number = number};
    return seccomp_evaluate(filter, &call);
}

/* What the kernel does: the errno of each call, 0 if it was allowed. */
static void ask_kernel(const struct sock_fprog *filter, unsigned char answers[CALLS])
{
    int channel[2];
    assert_int_equal(pipe(channel), 0);
    pid_t child = fork();
    if (child == 0) {
        unsigned char found[CALLS];
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter) != 0)
            _exit(2);
        for (int i = 0; i < CALLS; i++) {
            errno = 0;
            long result = syscall(calls[i], 0, 0, 0, 0, 0, 0);
            found[i] = result < 0 ? (unsigned char)errno : 0;
        }
        /* Raw: the filter may forbid what a sanitizer does at exit. */
        syscall(SYS_exit_group, syscall(SYS_write, channel[1], found, sizeof found) != CALLS);
    }
    close(channel[1]);
    ssize_t size = read(channel[0], answers, CALLS);
    close(channel[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0); /* 2: the kernel does not take the filter */
    assert_int_equal(size, CALLS);
}

static void compare(const char *name, struct sock_filter *steps, size_t count)
{
    struct sock_fprog filter = {(unsigned short)count, steps};
    unsigned char answers[CALLS];
    ask_kernel(&filter, answers);
    for (int i = 0; i < CALLS; i++) {
        uint32_t answer = evaluate(&filter, calls[i]);
        uint32_t expected =
            answers[i] ? SECCOMP_RET_ERRNO | answers[i] : (uint32_t)SECCOMP_RET_ALLOW;
        if (answer != expected)
            fail_msg("%s, call %d: %#x, the kernel: %#x", name, calls[i], answer, expected);
    }
}

#define COMPARE(...)                                                                               \
    do {                                                                                           \
        struct sock_filter steps[] = __VA_ARGS__;                                                  \
        compare(#__VA_ARGS__, steps, sizeof steps / sizeof *steps);                                \
    } while (0)

static void test_lists(void **state)
{
    (void)state;
    COMPARE({ALLOW});
    COMPARE({NR, EQ(SYS_getuid, 0, 1), ERR(7), EQ(SYS_getgid, 0, 1), ERR(9), ALLOW});
    COMPARE({NR, EQ(SYS_getppid, 4, 0), EQ(SYS_getuid, 3, 0), EQ(SYS_write, 2, 0),
             EQ(SYS_exit_group, 1, 0), ERR(13), ALLOW});
    COMPARE({NR, EQ(SYS_getppid, 0, 3), ARG0, EQ(0, 0, 1), ERR(5), ALLOW});
    COMPARE({NR, EQ(SYS_getppid, 0, 3), ARG0, EQ(1, 0, 1), ERR(5), ALLOW});
}

static void test_jumps(void **state)
{
    (void)state;
    COMPARE({NR, EQ(SYS_getppid, 0, 2), BPF_STMT(BPF_JMP | BPF_JA, 1), ALLOW,
             BPF_STMT(BPF_JMP | BPF_JA, 1), ERR(4), NR, EQ(SYS_getppid, 0, 1), ERR(6), ALLOW});
    COMPARE(
        FOR_GETPPID(BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_getppid - 1, 0, 1), ERR(3), ERR(4)));
    COMPARE(FOR_GETPPID(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SYS_getppid, 0, 1), ERR(3), ERR(4)));
    COMPARE(FOR_GETPPID(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, SYS_getppid, 0, 1), ERR(3), ERR(4)));
    COMPARE(FOR_GETPPID(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, ~SYS_getppid, 0, 1), ERR(3), ERR(4)));
    COMPARE(FOR_GETPPID(BPF_STMT(BPF_LDX | BPF_IMM, SYS_getppid),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1), ERR(3), ERR(4)));
}

static void test_arithmetic(void **state)
{
    static const unsigned short operations[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND,
                                                BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH};
    static const uint32_t operands[] = {1, 3, 17, 31};
    (void)state;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        for (size_t k = 0; k < sizeof operands / sizeof *operands; k++) {
            COMPARE(FOR_GETPPID(BPF_STMT(BPF_ALU | operations[i] | BPF_K, operands[k])));
            COMPARE(FOR_GETPPID(BPF_STMT(BPF_LDX | BPF_IMM, operands[k]),
                                BPF_STMT(BPF_ALU | operations[i] | BPF_X, 0)));
        }
    }
    COMPARE(FOR_GETPPID(BPF_STMT(BPF_ALU | BPF_NEG, 0)));
    COMPARE(FOR_GETPPID(BPF_STMT(BPF_LDX | BPF_IMM, 33), BPF_STMT(BPF_ALU | BPF_LSH | BPF_X, 0)));
    COMPARE(FOR_GETPPID(BPF_STMT(BPF_LDX | BPF_IMM, 34), BPF_STMT(BPF_ALU | BPF_RSH | BPF_X, 0)));
}

static void test_memory(void **state)
{
    (void)state;
    COMPARE(FOR_GETPPID(BPF_STMT(BPF_ST, 5), BPF_STMT(BPF_LD | BPF_IMM, 2),
                        BPF_STMT(BPF_LD | BPF_MEM, 5)));
    COMPARE(FOR_GETPPID(BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_STX, 15),
                        BPF_STMT(BPF_LDX | BPF_MEM, 15), BPF_STMT(BPF_MISC | BPF_TXA, 0)));
    COMPARE(FOR_GETPPID(BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0)));
    COMPARE(FOR_GETPPID(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch))));
}

/* The kernel ends the thread there (SECCOMP_RET_KILL_THREAD is 0): never reported as allowed. */
static void test_division_by_zero(void **state)
{
    struct sock_filter steps[] = {BPF_STMT(BPF_LDX | BPF_IMM, 0),
                                  BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), ALLOW};
    struct sock_fprog filter = {3, steps};
    (void)state;
    assert_int_equal(evaluate(&filter, SYS_getppid), SECCOMP_RET_KILL_THREAD);
}

/* Programs that the kernel would refuse end, and touch nothing outside. */
static void test_random_programs(void **state)
{
    static struct sock_filter steps[64];
    (void)state;
    srandom(5);
    for (int round = 0; round < 100000; round++) {
        struct sock_fprog filter = {(unsigned short)(random() % 65), steps};
        for (unsigned i = 0; i < filter.len; i++)
            steps[i] = (struct sock_filter){
                (unsigned short)(random() % 256), (unsigned char)random(), (unsigned char)random(),
                random() % 2 ? (uint32_t)random() * 2U + 1U : (uint32_t)random() % 80};
        evaluate(&filter, SYS_getppid);
    }
    struct sock_fprog empty = {0, steps};
    assert_int_equal(evaluate(&empty, SYS_getppid), SECCOMP_RET_KILL_PROCESS);
    steps[0] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX);
    struct sock_fprog far = {1, steps};
    assert_int_equal(evaluate(&far, SYS_getppid), SECCOMP_RET_KILL_PROCESS);
}

#define ARG(n)       BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define ARG_HIGH(n)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]) + 4)
#define HAS(k, t, f) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (k), (t), (f))
#define KILL         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define FILTER_OF(...)                                                                             \
    struct sock_filter steps[] = {__VA_ARGS__};                                                    \
    struct sock_fprog filter = {sizeof steps / sizeof *steps, steps}

/* What depends on an argument that is not known may be anything that it can be. */
static void test_arguments_that_are_not_known(void **state)
{
    FILTER_OF(NR, EQ(SYS_openat, 0, 3), ARG(2), HAS(3, 0, 1), KILL, ALLOW);
    struct kernel_call any = {.number = SYS_openat};
    struct kernel_call reads = {.number = SYS_openat, .known = 1 << 2};
    struct kernel_call writes = {.number = SYS_openat, .known = 1 << 2, .arguments = {[2] = 1}};
    struct kernel_call other = {.number = SYS_read};
    (void)state;
    assert_int_equal(seccomp_outcomes(&filter, &any), OUTCOME_ALLOWED | OUTCOME_OTHER);
    assert_int_equal(seccomp_outcomes(&filter, &reads), OUTCOME_ALLOWED);
    assert_int_equal(seccomp_outcomes(&filter, &writes), OUTCOME_OTHER);
    assert_int_equal(seccomp_outcomes(&filter, &other), OUTCOME_ALLOWED);
}

/* libseccomp compares both halves of an argument, the high one first. */
static void test_both_halves_of_an_argument(void **state)
{
    FILTER_OF(NR, EQ(SYS_ioctl, 0, 5), ARG_HIGH(1), EQ(0, 0, 3), ARG(1), EQ(0x5412, 0, 1), ERR(1),
              ALLOW);
    struct kernel_call any = {.number = SYS_ioctl};
    struct kernel_call one = {.number = SYS_ioctl, .known = 1 << 1, .arguments = {0, 0x5412}};
    struct kernel_call high = {.number = SYS_ioctl, .known = 1 << 1, .arguments = {0, 0x100005412}};
    (void)state;
    assert_int_equal(seccomp_outcomes(&filter, &any), OUTCOME_ALLOWED | OUTCOME_FAILS);
    assert_int_equal(seccomp_outcomes(&filter, &one), OUTCOME_FAILS);
    assert_int_equal(seccomp_outcomes(&filter, &high), OUTCOME_ALLOWED);
}

/* What is calculated from it, or kept and taken back, is not known either. */
static void test_what_comes_of_what_is_not_known(void **state)
{
    FILTER_OF(ARG(0), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff), BPF_STMT(BPF_ST, 3),
              BPF_STMT(BPF_LD | BPF_IMM, 1), BPF_STMT(BPF_LDX | BPF_MEM, 3),
              BPF_STMT(BPF_MISC | BPF_TXA, 0), EQ(7, 0, 1), KILL, ALLOW);
    struct kernel_call any = {.number = SYS_getppid};
    struct kernel_call seven = {.number = SYS_getppid, .known = 1, .arguments = {0x107}};
    (void)state;
    assert_int_equal(seccomp_outcomes(&filter, &any), OUTCOME_ALLOWED | OUTCOME_OTHER);
    assert_int_equal(seccomp_outcomes(&filter, &seven), OUTCOME_OTHER);
}

/* 2,000 branches, each on another bit: it ends, and what was not followed counts as forbidden. */
static void test_more_branches_than_can_be_followed(void **state)
{
    enum { BRANCHES = 1000 };
    static struct sock_filter steps[2 * BRANCHES + 1];
    struct sock_fprog filter = {2 * BRANCHES + 1, steps};
    struct kernel_call any = {.number = SYS_getppid};
    (void)state;
    for (int i = 0; i < BRANCHES; i++) {
        steps[2 * i] = (struct sock_filter)ARG(i % 6);
        steps[2 * i + 1] = (struct sock_filter)HAS(1U << i % 31, 0, 0);
        if (i + 2 < BRANCHES)
            steps[2 * i + 1].jt = 2;
    }
    steps[2 * BRANCHES] = (struct sock_filter)ALLOW;
    assert_true(seccomp_is_valid(&filter));
    assert_true(seccomp_outcomes(&filter, &any) & OUTCOME_OTHER);
}

static bool kernel_takes(const struct sock_fprog *filter)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        syscall(SYS_exit_group, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                                    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter) != 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

#define VALID(expected, ...)                                                                       \
    do {                                                                                           \
        FILTER_OF(__VA_ARGS__);                                                                    \
        assert_int_equal(kernel_takes(&filter), (expected));                                       \
        assert_int_equal(seccomp_is_valid(&filter), (expected));                                   \
    } while (0)

static void test_what_the_kernel_takes(void **state)
{
    (void)state;
    VALID(true, ALLOW);
    VALID(false, NR);
    VALID(false, NR, EQ(1, 1, 0), ALLOW); /* a jump behind the end */
    VALID(false, BPF_STMT(BPF_JMP | BPF_JA, 1), ALLOW);
    VALID(true, BPF_STMT(BPF_JMP | BPF_JA, 0), ALLOW);
    VALID(false, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), ALLOW); /* behind seccomp_data */
    VALID(false, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), ALLOW);
    VALID(false, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), ALLOW);
    VALID(false, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ALLOW);
    VALID(false, BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), ALLOW);
    VALID(false, BPF_STMT(BPF_LD | BPF_MEM, 3), ALLOW); /* nothing was stored there */
    VALID(true, BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_MEM, 3), ALLOW);
    VALID(false, BPF_STMT(BPF_ST, 16), ALLOW);
    VALID(false, BPF_STMT(BPF_RET | BPF_X, 0));
    VALID(false, BPF_STMT(0xffff, 0), ALLOW);
    struct sock_fprog empty = {0, NULL};
    assert_false(kernel_takes(&empty));
    assert_false(seccomp_is_valid(&empty));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_jumps),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_division_by_zero),
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_arguments_that_are_not_known),
        cmocka_unit_test(test_both_halves_of_an_argument),
        cmocka_unit_test(test_what_comes_of_what_is_not_known),
        cmocka_unit_test(test_more_branches_than_can_be_followed),
        cmocka_unit_test(test_what_the_kernel_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
