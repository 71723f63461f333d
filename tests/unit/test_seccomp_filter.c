// SPDX-License-Identifier: MIT
/* The evaluation of seccomp filters against the kernel's own: each filter is installed in a forked
 * child, which makes the calls; a filter answers with an errno, so that all calls are harmless. */
#include <errno.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "watch/seccomp.h"

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
        uint32_t answer = seccomp_evaluate(&filter, calls[i]);
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

/* The kernel ends the thread there (SECCOMP_RET_KILL_THREAD is 0): never told as allowed. */
static void test_division_by_zero(void **state)
{
    struct sock_filter steps[] = {BPF_STMT(BPF_LDX | BPF_IMM, 0),
                                  BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), ALLOW};
    struct sock_fprog filter = {3, steps};
    (void)state;
    assert_int_equal(seccomp_evaluate(&filter, SYS_getppid), SECCOMP_RET_KILL_THREAD);
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
        seccomp_evaluate(&filter, SYS_getppid);
    }
    struct sock_fprog empty = {0, steps};
    assert_int_equal(seccomp_evaluate(&empty, SYS_getppid), SECCOMP_RET_KILL_PROCESS);
    steps[0] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX);
    struct sock_fprog far = {1, steps};
    assert_int_equal(seccomp_evaluate(&far, SYS_getppid), SECCOMP_RET_KILL_PROCESS);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
