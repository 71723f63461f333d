// SPDX-License-Identifier: MIT
/* What the doctor found: one condition a row, in the order in which they were looked at. */
#ifndef PIPESHIM_CLI_DOCTOR_RESULTS_H
#define PIPESHIM_CLI_DOCTOR_RESULTS_H

#include <stdbool.h>
#include <stddef.h>

enum verdict {
    VERDICT_OK,
    VERDICT_INFO, /* worth knowing, nothing to mend */
    VERDICT_WARN, /* the library works, something is missing in what it tells */
    VERDICT_FAIL, /* it does not see or does not tell */
};

struct result {
    enum verdict verdict;
    const char *name; /* of the condition: one word, for programs */
    char *text;
    char *mend; /* NULL: nothing to do */
};

struct results {
    struct result *rows;
    size_t count, limit;
};

/* Adds a row. `mend` may be NULL; it is copied. Without memory the program ends with status 1. */
void results_add(struct results *results, enum verdict verdict, const char *name, const char *mend,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

size_t results_failed(const struct results *results);

/* To stdout; false when that failed. */
bool results_print_text(const struct results *results);
bool results_print_json(const struct results *results);

void results_free(struct results *results);

#endif
/* Runs on: the tool. AS-safe: no. Blocks: on stdout. */
