// SPDX-License-Identifier: MIT
/* As much of cmocka as tests/unit/test_cfi_*.c need, for an architecture of which no cmocka is
 * installed: the first failure ends the program with status 1. */
#ifndef PIPESHIM_AARCH64_CMOCKA_H
#define PIPESHIM_AARCH64_CMOCKA_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
    int (*set_up)(void **state);
};

#define cmocka_unit_test(function)                                                                 \
    {                                                                                              \
#function, function, NULL                                                                  \
    }
#define cmocka_unit_test_setup(function, setup)                                                    \
    {                                                                                              \
#function, function, setup                                                                 \
    }

#define fail_msg(...)                                                                              \
    do {                                                                                           \
        printf("%s:%d: ", __FILE__, __LINE__);                                                     \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
        exit(1);                                                                                   \
    } while (0)
#define print_message printf
#define assert_true(condition)                                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("not true: %s", #condition);                                                  \
    } while (0)
#define assert_false(condition) assert_true(!(condition))
#define assert_int_equal(a, b)                                                                     \
    do {                                                                                           \
        unsigned long long one = (unsigned long long)(a), other = (unsigned long long)(b);         \
        if (one != other)                                                                          \
            fail_msg("%s is %#llx, %s is %#llx", #a, one, #b, other);                              \
    } while (0)
#define assert_memory_equal(a, b, size) assert_true(memcmp(a, b, size) == 0)

static inline int run_tests(const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *state = NULL;
        printf("%s\n", tests[i].name);
        if (tests[i].set_up != NULL && tests[i].set_up(&state) != 0)
            return 1;
        tests[i].run(&state);
    }
    printf("%zu passed\n", count);
    return 0;
}
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    run_tests(tests, sizeof(tests) / sizeof(*(tests)))

#endif
