// SPDX-License-Identifier: MIT
/* Records to the log, from this thread or from one whose fd table is its own, as the watchdog's. */
#ifndef PIPESHIM_TESTS_LOG_CASE_H
#define PIPESHIM_TESTS_LOG_CASE_H

#include <stdbool.h>
#include <stddef.h>

extern bool log_own_table; /* records come from a thread that has no fds */

/* The executable's name, for log_prepare(). */
const char *log_engine(void);

/* What is on a disk is written by a process of its own: until it is done. */
void log_settle(void);

/* Whether the record was written or kept. */
bool log_send(const char *data, size_t size);
bool log_say(const char *text);

/* The test NAME() as one of cmocka's, NAME_both_ways. */
#define BOTH_WAYS(name)                                                                            \
    static void name##_both_ways(void **state)                                                     \
    {                                                                                              \
        (void)state;                                                                               \
        log_own_table = false;                                                                     \
        name();                                                                                    \
        log_own_table = true;                                                                      \
        name();                                                                                    \
    }

#endif
