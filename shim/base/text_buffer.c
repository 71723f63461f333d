// SPDX-License-Identifier: MIT
#include "base/text_buffer.h"

#include <string.h>

void text_init(struct text_buffer *text, char *data, size_t capacity)
{
    text->data = data;
    text->capacity = capacity;
    text->length = 0;
    text->truncated = false;
    data[0] = '\0';
}

void text_bytes(struct text_buffer *text, const void *bytes, size_t length)
{
    size_t room = text->capacity - 1 - text->length;
    if (length > room) {
        length = room;
        text->truncated = true;
    }
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void text_char(struct text_buffer *text, char c)
{
    text_bytes(text, &c, 1);
}

void text_string(struct text_buffer *text, const char *string)
{
    if (string)
        text_bytes(text, string, strlen(string));
}

void text_padded(struct text_buffer *text, uint64_t value, unsigned width)
{
    char digits[20]; /* UINT64_MAX has 20 digits */
    unsigned at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0 && at > 0);
    while (sizeof digits - at < width && at > 0)
        digits[--at] = '0';
    text_bytes(text, digits + at, sizeof digits - at);
}

void text_unsigned(struct text_buffer *text, uint64_t value)
{
    text_padded(text, value, 1);
}

void text_signed(struct text_buffer *text, int64_t value)
{
    if (value < 0)
        text_char(text, '-');
    text_unsigned(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void text_hex(struct text_buffer *text, uint64_t value)
{
    char digits[16];
    unsigned at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value != 0);
    text_string(text, "0x");
    text_bytes(text, digits + at, sizeof digits - at);
}

void text_milliseconds(struct text_buffer *text, uint64_t nanoseconds)
{
    uint64_t tenths = nanoseconds / 100000;
    text_unsigned(text, tenths / 10);
    text_char(text, '.');
    text_char(text, (char)('0' + tenths % 10));
}
