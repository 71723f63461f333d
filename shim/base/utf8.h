// SPDX-License-Identifier: MIT
/*
 * Foreign text: names that programs and files gave themselves, on its way to a terminal or a log.
 *
 * A name may hold a newline and a forged line of log after it, a terminal's commands (ESC, and the
 * 8-bit U+009B that stands for ESC [), or the marks that turn the direction of text, so that a line
 * reads otherwise than it is. All that shows names takes them through here.
 */
#ifndef PIPESHIM_BASE_UTF8_H
#define PIPESHIM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text_buffer.h"

/* Decodes the character at `at`, a NUL-terminated string (RFC 3629: no overlong forms, no
 * surrogates, up to U+10FFFF). Returns its length in bytes, 0 if they are no UTF-8. */
unsigned utf8_decode(const char *at, uint32_t *character);

/* False for what must not be shown as it is: control characters (C0, DEL, C1), line and paragraph
 * separators, marks of direction. */
bool utf8_is_printable(uint32_t character);

/* Appends `string` with a '?' for each character that is not printable and each byte that is no
 * UTF-8: always one line. NULL appends nothing. */
void text_printable(struct text_buffer *text, const char *string);

/* The same, of at most `size` bytes. */
void text_printable_part(struct text_buffer *text, const char *string, size_t size);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
