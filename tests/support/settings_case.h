// SPDX-License-Identifier: MIT
/* Settings read from an environment that a test makes, and what was complained of. */
#ifndef PIPESHIM_TESTS_SETTINGS_CASE_H
#define PIPESHIM_TESTS_SETTINGS_CASE_H

#include "config/settings.h"

#define MS ((uint64_t)1000000)
#define S  (1000 * MS)

struct settings_case {
    struct settings settings;
    unsigned complaints;
    char complaint[1024]; /* the last one */
};
extern struct settings_case settings_case;

/* As the library does at its start, in a program called engine. */
void settings_case_read(char *const *variables, bool secure);
void settings_case_read_one(const char *variable);
void settings_case_complain(const char *line, void *context);

#endif
