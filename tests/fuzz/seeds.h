// SPDX-License-Identifier: MIT
/* Beginnings for a fuzz target, in the folder FUZZ_SEEDS: without them it would first have to find
 * out what such a text looks like. */
#ifndef PIPESHIM_TESTS_FUZZ_SEEDS_H
#define PIPESHIM_TESTS_FUZZ_SEEDS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void write_seed(unsigned number, const void *bytes, size_t size)
{
    const char *folder = getenv("FUZZ_SEEDS");
    char path[4096];
    if (!folder)
        return;
    snprintf(path, sizeof path, "%s/seed-%u", folder, number);
    FILE *file = fopen(path, "we");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
}

/* The input as a string: what stands behind a NUL is not read. */
static inline char *as_string(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        abort();
    for (size_t i = 0; i < size; i++)
        text[i] = (char)data[i];
    text[size] = '\0';
    return text;
}

#endif
