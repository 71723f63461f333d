// SPDX-License-Identifier: MIT
/*
 * Every string of a log once, in bounded memory, named by a small number. Number 0 is the empty
 * string: "not known".
 */
#ifndef PIPESHIM_CLI_REPORT_STRING_TABLE_H
#define PIPESHIM_CLI_REPORT_STRING_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STRING_LIMIT = 1 << 18,        /* different strings */
    STRING_BYTES_LIMIT = 16 << 20, /* of text in all */
    STRING_LENGTH_LIMIT = 2048, /* bytes of one string; what is longer is cut between characters */
};

typedef uint32_t string_id;

struct string_table {
    char *bytes;
    uint32_t *offsets; /* of string i in bytes; each ends with a NUL */
    uint32_t *hashes;
    uint32_t *slots; /* open addressing; 0 is a free slot */
    uint32_t count;
    size_t used;
    uint64_t overflowed; /* strings that found no space: they became "(table full)" */
};

/* False: no memory. */
bool string_table_open(struct string_table *table);
void string_table_close(struct string_table *table);

/* The number of a string; `text` need not end with a NUL. */
string_id string_intern(struct string_table *table, const char *text, size_t length);

/* Valid until the table is closed. */
static inline const char *string_text(const struct string_table *table, string_id id)
{
    return table->bytes + table->offsets[id];
}

/* FNV-1a, for all tables of the report. Start with 0. */
uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t length);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
