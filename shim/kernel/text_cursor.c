// SPDX-License-Identifier: MIT
#include "kernel/text_cursor.h"

#include <limits.h>
#include <string.h>

void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\t')
        (*at)++;
}

int digit_value(char c, unsigned base)
{
    int value = -1;
    if (c >= '0' && c <= '9')
        value = c - '0';
    else if (c >= 'a' && c <= 'f')
        value = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
        value = c - 'A' + 10;
    return value >= 0 && (unsigned)value < base ? value : -1;
}

bool take_unsigned(const char **at, unsigned base, uint64_t *value)
{
    skip_blanks(at);
    if (digit_value(**at, base) < 0)
        return false;
    *value = 0;
    for (int digit; (digit = digit_value(**at, base)) >= 0; (*at)++)
        *value = *value * base + (unsigned)digit;
    return true;
}

bool take_signed(const char **at, int64_t *value)
{
    skip_blanks(at);
    bool negative = **at == '-';
    if (negative)
        (*at)++;
    uint64_t magnitude;
    if (!take_unsigned(at, 10, &magnitude) || magnitude > INT64_MAX)
        return false;
    *value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

bool take_int(const char **at, int *value)
{
    int64_t wide;
    if (!take_signed(at, &wide) || wide < INT_MIN || wide > INT_MAX)
        return false;
    *value = (int)wide;
    return true;
}

bool take_hexadecimal(const char **at, uint64_t *value)
{
    skip_blanks(at);
    if ((*at)[0] != '0' || (*at)[1] != 'x')
        return false;
    *at += 2;
    return take_unsigned(at, 16, value);
}

bool take_text(const char **at, const char *expected)
{
    skip_blanks(at);
    size_t length = strlen(expected);
    if (strncmp(*at, expected, length) != 0)
        return false;
    *at += length;
    return true;
}

void skip_word(const char **at)
{
    skip_blanks(at);
    while (**at != '\0' && **at != ' ' && **at != '\t' && **at != '\n')
        (*at)++;
}
