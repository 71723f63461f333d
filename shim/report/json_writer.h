// SPDX-License-Identifier: MIT
/*
 * JSON text on a bounded buffer: commas and quotes are put where they belong, strings become valid
 * UTF-8. Async-signal-safe. The caller looks at json_space() before it begins what may be left out,
 * so that a record that is too long is still whole.
 */
#ifndef PIPESHIM_REPORT_JSON_WRITER_H
#define PIPESHIM_REPORT_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text_buffer.h"

struct json_writer {
    struct text_buffer *text;
    bool first;     /* no comma before the next value */
    size_t reserve; /* bytes that strings leave free for what comes behind them */
    size_t longest; /* bytes of a string; 0: no limit */
};

void json_begin(struct json_writer *json, struct text_buffer *text);

/* From here on a string has at most about `longest` bytes, and fewer where less than
 * `reserve` bytes would be left behind it. */
void json_cut_strings(struct json_writer *json, size_t longest, size_t reserve);

/* Bytes that are left in the buffer. */
size_t json_space(const struct json_writer *json);

/* Bytes that a string takes, its quotes included. */
size_t json_quoted_size(const char *value);

/* `key` NULL: an element of an array. */
void json_open(struct json_writer *json, const char *key, char bracket);
void json_close(struct json_writer *json, char bracket);
/* Bytes that are not UTF-8 become U+FFFD, control characters are escaped. */
void json_put_string(struct json_writer *json, const char *key, const char *value);
void json_put_unsigned(struct json_writer *json, const char *key, uint64_t value);
void json_put_signed(struct json_writer *json, const char *key, int64_t value);
void json_put_bool(struct json_writer *json, const char *key, bool value);
void json_put_hex(struct json_writer *json, const char *key, uint64_t value);
/* Milliseconds with three decimals. */
void json_put_milliseconds(struct json_writer *json, const char *key, uint64_t nanoseconds);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
