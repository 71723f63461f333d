// SPDX-License-Identifier: MIT
#include "explain/python/python_text.h"

#include <string.h>

enum {
    HEAD_LIMIT = 128, /* bytes before a str's characters: 40 to 72 in all known versions */
    CHARACTER_LIMIT = 512,
    BLOCK_LIMIT = HEAD_LIMIT + CHARACTER_LIMIT * 4,
    FIRST_READ = 192, /* one read gets most names whole */
    REPLACEMENT = 0xfffd,
    ELLIPSIS_SIZE = 3,
};
static const char ellipsis[] = "\xe2\x80\xa6";

struct characters {
    const unsigned char *data;
    unsigned width; /* bytes a character: 1, 2 or 4 */
    size_t count;
};

static uint32_t character_at(const struct characters *text, size_t index)
{
    const unsigned char *at = text->data + index * text->width;
    uint32_t code = 0;
    memcpy(&code, at, text->width); /* both architectures are little-endian */
    bool invalid = code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff);
    return invalid ? REPLACEMENT : code;
}

static unsigned utf8_size(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

static unsigned utf8_put(char *to, uint32_t code)
{
    unsigned size = utf8_size(code);
    if (size == 1) {
        to[0] = (char)code;
        return 1;
    }
    for (unsigned i = size - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    to[0] = (char)(lead[size] | code);
    return size;
}

/* Finds the first and the last + 1 character that fit into `space` bytes. */
static void fit(const struct characters *text, enum python_text_keep keep, size_t space,
                size_t *first, size_t *end)
{
    size_t used = 0, kept = 0;
    for (; kept < text->count; kept++) {
        size_t index = keep == PYTHON_TEXT_KEEP_END ? text->count - 1 - kept : kept;
        unsigned size = utf8_size(character_at(text, index));
        if (used + size > space)
            break;
        used += size;
    }
    *first = keep == PYTHON_TEXT_KEEP_END ? text->count - kept : 0;
    *end = *first + kept;
}

static void encode(const struct characters *text, enum python_text_keep keep, bool already_cut,
                   char *to, size_t capacity)
{
    size_t first, end, length = 0;
    fit(text, keep, capacity - 1, &first, &end);
    bool cut = already_cut || end - first < text->count;
    if (cut)
        fit(text, keep, capacity - 1 - ELLIPSIS_SIZE, &first, &end);
    if (cut && keep == PYTHON_TEXT_KEEP_END) {
        memcpy(to, ellipsis, ELLIPSIS_SIZE);
        length = ELLIPSIS_SIZE;
    }
    for (size_t i = first; i < end; i++)
        length += utf8_put(to + length, character_at(text, i));
    if (cut && keep == PYTHON_TEXT_KEEP_START) {
        memcpy(to + length, ellipsis, ELLIPSIS_SIZE);
        length += ELLIPSIS_SIZE;
    }
    to[length] = '\0';
}

/* PyASCIIObject.state: interned, kind:3, compact:1, ascii:1. `interned` has 2 bits up to 3.14.0;
 * the development branch gave it 16, and then the bits below 16 that the others had are 0, which no
 * kind is: so the two cannot be mistaken for each other. */
static bool decode_state(uint32_t state, unsigned *width, bool *ascii)
{
    unsigned bits = state >> 2;
    if ((bits & 0x1f) == 0)
        bits = state >> 16;
    *width = bits & 7;
    *ascii = (bits & 0x10) != 0;
    bool compact = (bits & 8) != 0;
    return compact && (*width == 1 || *width == 2 || *width == 4) && !(*ascii && *width != 1);
}

bool python_text_read(const struct python_offsets *offsets, const struct memory_reader *reader,
                      uintptr_t address, enum python_text_keep keep, char *to, size_t capacity)
{
    unsigned char block[BLOCK_LIMIT];
    to[0] = '\0';
    size_t have = address == 0 ? 0 : reader->read(reader, address, block, FIRST_READ);
    int64_t length;
    uint32_t state;
    if (have < offsets->text_length + sizeof length || have < offsets->text_state + sizeof state)
        return false;
    memcpy(&length, block + offsets->text_length, sizeof length);
    memcpy(&state, block + offsets->text_state, sizeof state);
    struct characters text;
    bool ascii;
    if (length < 0 || length > (1 << 28) || !decode_state(state, &text.width, &ascii))
        return false;

    size_t limit = capacity - 1 < CHARACTER_LIMIT ? capacity - 1 : CHARACTER_LIMIT;
    text.count = (size_t)length < limit ? (size_t)length : limit;
    size_t skipped = keep == PYTHON_TEXT_KEEP_END ? (size_t)length - text.count : 0;
    size_t start = (ascii ? offsets->text_ascii_data : offsets->text_compact_data);
    size_t size = text.count * text.width;
    if (skipped == 0 && start + size <= have) {
        text.data = block + start;
    } else {
        if (!memory_read(reader, address + start + skipped * text.width, block, size))
            return false;
        text.data = block;
    }
    encode(&text, keep, text.count < (size_t)length, to, capacity);
    return true;
}
