// SPDX-License-Identifier: MIT
/* A test that cannot run here, and why: scripts/run-tests.sh shows the line. */
#ifndef PIPESHIM_TESTS_LEFT_OUT_H
#define PIPESHIM_TESTS_LEFT_OUT_H

/* After <cmocka.h>. */
#define LEAVE_OUT(reason)                                                                          \
    do {                                                                                           \
        print_message("left out: %s: %s\n", __func__, reason);                                     \
        skip();                                                                                    \
    } while (0)

/* GCC says which sanitizer the test is built for; the environment does not when it is run alone. */
#ifdef __SANITIZE_ADDRESS__
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif
#ifdef __SANITIZE_THREAD__
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif

#endif
