// SPDX-License-Identifier: MIT
#include "cli/report/string_table.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = STRING_LIMIT * 2, FULL = 1 };

uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    hash ^= 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 16777619u;
    return hash;
}

static string_id append(struct string_table *table, const char *text, size_t length, uint32_t hash)
{
    string_id id = table->count++;
    table->offsets[id] = (uint32_t)table->used;
    table->hashes[id] = hash;
    memcpy(table->bytes + table->used, text, length);
    table->bytes[table->used + length] = '\0';
    table->used += length + 1;
    return id;
}

bool string_table_open(struct string_table *table)
{
    *table = (struct string_table){
        .bytes = malloc(STRING_BYTES_LIMIT),
        .offsets = malloc(STRING_LIMIT * sizeof *table->offsets),
        .hashes = malloc(STRING_LIMIT * sizeof *table->hashes),
        .slots = calloc(SLOTS, sizeof *table->slots),
    };
    if (!table->bytes || !table->offsets || !table->hashes || !table->slots) {
        string_table_close(table);
        return false;
    }
    append(table, "", 0, 0);
    static const char full[] = "(table full)"; /* becomes number FULL */
    append(table, full, sizeof full - 1, 0);
    return true;
}

void string_table_close(struct string_table *table)
{
    free(table->bytes);
    free(table->offsets);
    free(table->hashes);
    free(table->slots);
    *table = (struct string_table){0};
}

/* At most STRING_LENGTH_LIMIT bytes, not ending inside a UTF-8 sequence. */
static size_t cut_length(const char *text, size_t length)
{
    if (length <= STRING_LENGTH_LIMIT)
        return length;
    length = STRING_LENGTH_LIMIT;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    return length;
}

string_id string_intern(struct string_table *table, const char *text, size_t length)
{
    if (length == 0)
        return 0;
    length = cut_length(text, length);
    uint32_t hash = hash_bytes(0, text, length);
    uint32_t slot = hash % SLOTS;
    for (; table->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        string_id id = table->slots[slot];
        const char *have = string_text(table, id);
        if (table->hashes[id] == hash && strncmp(have, text, length) == 0 && have[length] == '\0')
            return id;
    }
    if (table->count == STRING_LIMIT || table->used + length + 1 > STRING_BYTES_LIMIT) {
        table->overflowed++;
        return FULL;
    }
    string_id id = append(table, text, length, hash);
    table->slots[slot] = id;
    return id;
}
