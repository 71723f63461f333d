// SPDX-License-Identifier: MIT
/*
 * Fields of an event as C values. A log is untrusted: a field that is missing, has the wrong type
 * or is out of range reads as its fallback.
 */
#ifndef PIPESHIM_CLI_REPORT_EVENT_FIELDS_H
#define PIPESHIM_CLI_REPORT_EVENT_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define TIME_UNKNOWN INT64_MIN

/* "" if it is no string. Borrowed from `object`, valid UTF-8 without NUL (the parser saw to it). */
const char *field_string(const json_t *object, const char *key);
/* Also from a number with a fraction, which is cut. */
int64_t field_integer(const json_t *object, const char *key, int64_t fallback);
/* A pid, tid or fd; -1 if it is none. */
int32_t field_small(const json_t *object, const char *key);
/* Addresses may be numbers, or strings ("0x1234"): JSON numbers lose bits above 2^53 in some
 * readers. 0 if it is none. */
uint64_t field_address(const json_t *object, const char *key);
bool field_true(const json_t *object, const char *key);
/* True for a frame of libpipeshim.so itself: the wrapper stands between the program and libc, and
 * is nobody's business. */
bool field_is_own_frame(const json_t *frame);
/* Milliseconds with a fraction as microseconds; -1 if missing, negative or above 100 years. */
int64_t field_milliseconds(const json_t *object, const char *key);
/* The same for a value that was already taken out of its object. */
int64_t value_milliseconds(const json_t *value);
/* RFC 3339 ("2026-11-20T22:56:27.123456Z", an offset is allowed) as microseconds since 1970;
 * TIME_UNKNOWN if it is no time. */
int64_t field_time(const json_t *object, const char *key);

/* "2026-11-20 22:56:27.123" in UTC, to at least 32 bytes; "?" for TIME_UNKNOWN. */
const char *time_text(int64_t microseconds, char *text);
/* "1.23 s", "250 ms", "2 h 03 min": for people, to at least 32 bytes. */
const char *duration_text(int64_t microseconds, char *text);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
