// SPDX-License-Identifier: MIT
/*
 * A bounded string builder on memory of the caller: no allocation, no stdio, no locale.
 * All functions are async-signal-safe. What does not fit is cut, and `truncated` says so; the text
 * is always NUL-terminated.
 */
#ifndef PIPESHIM_BASE_TEXT_BUFFER_H
#define PIPESHIM_BASE_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_buffer {
    char *data;
    size_t capacity; /* bytes at data, the terminating NUL included; at least 1 */
    size_t length;   /* bytes of text, the NUL not included */
    bool truncated;
};

/* Starts an empty text in `capacity` bytes at `data`. */
void text_init(struct text_buffer *text, char *data, size_t capacity);

void text_char(struct text_buffer *text, char c);
void text_bytes(struct text_buffer *text, const void *bytes, size_t length);
/* NULL appends nothing. */
void text_string(struct text_buffer *text, const char *string);
void text_unsigned(struct text_buffer *text, uint64_t value);
void text_signed(struct text_buffer *text, int64_t value);
/* "0x" and lower-case digits without leading zeroes. */
void text_hex(struct text_buffer *text, uint64_t value);
/* Decimal, padded with zeroes to `width` digits. */
void text_padded(struct text_buffer *text, uint64_t value, unsigned width);
/* A duration as milliseconds with one decimal: 1234567 ns is "1.2". */
void text_milliseconds(struct text_buffer *text, uint64_t nanoseconds);

/* Appends what printf(3) would, of these conversions: %s (NULL appends nothing), %.*s, %c, %d, %u,
 * %x, with l, ll or z before the last three, and %%. Others are written as they stand. Keeps errno,
 * allocates nothing, knows no locale. */
void text_format(struct text_buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
