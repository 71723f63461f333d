// SPDX-License-Identifier: MIT
/* A reporter that writes JSON to a file, as in a program that has neither loops nor rescues. */
#ifndef PIPESHIM_TESTS_SUPPORT_REPORTER_CASE_H
#define PIPESHIM_TESTS_SUPPORT_REPORTER_CASE_H

/* As the library begins, with PIPESHIM_LOG of this process. */
void reporter_begin(void);

/* The log once all is written, which ends it. */
const char *reporter_log(void);

#endif
