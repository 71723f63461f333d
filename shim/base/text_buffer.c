// SPDX-License-Identifier: MIT
#include "base/text_buffer.h"

#include <stdarg.h>
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
    size_t space = text->capacity - 1 - text->length;
    if (length > space) {
        length = space;
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

void text_milliseconds(struct text_buffer *text, uint64_t nanoseconds)
{
    uint64_t tenths = nanoseconds / 100000;
    text_unsigned(text, tenths / 10);
    text_char(text, '.');
    text_char(text, (char)('0' + tenths % 10));
}

/* What stands between % and the conversion. */
struct directive {
    bool is_long; /* l, ll, z: all of 64 bits */
    bool precise; /* .* */
    char conversion;
};

/* Takes a directive from after its %; false: it is none of ours. */
static bool take_directive(const char **at, struct directive *directive)
{
    const char *p = *at;
    *directive = (struct directive){0};
    if (p[0] == '.' && p[1] == '*' && p[2] == 's') {
        directive->precise = true;
        p += 2;
    }
    while (*p == 'l' || *p == 'z') {
        directive->is_long = true;
        p++;
    }
    directive->conversion = *p;
    if (*p == '\0' || !strchr(directive->is_long ? "dux" : "scdux%", *p))
        return false;
    *at = p + 1;
    return true;
}

static uint64_t take_number(va_list *arguments, const struct directive *directive)
{
    if (directive->is_long)
        return va_arg(*arguments, uint64_t);
    if (directive->conversion == 'd')
        return (uint64_t)(int64_t)va_arg(*arguments, int);
    return va_arg(*arguments, unsigned);
}

static void append_hexadecimal(struct text_buffer *text, uint64_t value)
{
    char digits[16];
    unsigned at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value != 0);
    text_bytes(text, digits + at, sizeof digits - at);
}

static void append(struct text_buffer *text, const struct directive *directive, va_list *arguments)
{
    int limit = directive->precise ? va_arg(*arguments, int) : -1;
    switch (directive->conversion) {
    case 's': {
        const char *string = va_arg(*arguments, const char *);
        if (string)
            text_bytes(text, string, limit < 0 ? strlen(string) : strnlen(string, (size_t)limit));
        break;
    }
    case 'c':
        text_char(text, (char)va_arg(*arguments, int));
        break;
    case 'd':
        text_signed(text, (int64_t)take_number(arguments, directive));
        break;
    case 'u':
        text_unsigned(text, take_number(arguments, directive));
        break;
    case 'x':
        append_hexadecimal(text, take_number(arguments, directive));
        break;
    default:
        text_char(text, '%');
    }
}

void text_hex(struct text_buffer *text, uint64_t value)
{
    text_string(text, "0x");
    append_hexadecimal(text, value);
}

void text_format(struct text_buffer *text, const char *format, ...)
{
    va_list arguments;
    struct directive directive;
    va_start(arguments, format);
    for (const char *at = format; *at != '\0';) {
        size_t plain = strcspn(at, "%");
        text_bytes(text, at, plain);
        at += plain;
        if (*at == '\0')
            break;
        at++;
        if (take_directive(&at, &directive))
            append(text, &directive, &arguments);
        else
            text_char(text, '%');
    }
    va_end(arguments);
}
