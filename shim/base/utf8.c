// SPDX-License-Identifier: MIT
#include "base/utf8.h"

#include <string.h>

unsigned utf8_decode(const char *at, uint32_t *character)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *byte = (const unsigned char *)at;
    unsigned length = byte[0] < 0x80       ? 1
                      : byte[0] >> 5 == 6  ? 2
                      : byte[0] >> 4 == 14 ? 3
                      : byte[0] >> 3 == 30 ? 4
                                           : 0;
    *character = byte[0];
    if (length <= 1)
        return length;
    uint32_t value = byte[0] & (0x7FU >> length);
    for (unsigned i = 1; i < length; i++) {
        if ((byte[i] & 0xC0) != 0x80) /* the NUL at the end too */
            return 0;
        value = value << 6 | (byte[i] & 0x3FU);
    }
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        return 0;
    *character = value;
    return length;
}

bool utf8_is_printable(uint32_t character)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C}, {0x200E, 0x200F},
        {0x2028, 0x2029}, {0x202A, 0x202E}, {0x2066, 0x2069},
    };
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (character >= hidden[i].first && character <= hidden[i].last)
            return false;
    return true;
}

void text_printable_part(struct text_buffer *text, const char *string, size_t size)
{
    const char *end = string + size;
    while (string < end && *string) {
        uint32_t character;
        unsigned length = utf8_decode(string, &character);
        if (length == 0 || length > (size_t)(end - string) || !utf8_is_printable(character)) {
            text_char(text, '?');
            string += length ? length : 1;
        } else if (length < text->capacity - text->length) {
            text_bytes(text, string, length);
            string += length;
        } else {
            text->truncated = true; /* no part of a character */
            return;
        }
    }
}

void text_printable(struct text_buffer *text, const char *string)
{
    if (string)
        text_printable_part(text, string, strlen(string));
}
