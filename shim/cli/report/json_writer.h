// SPDX-License-Identifier: MIT
/*
 * JSON to a stream, piece by piece: a report need not fit in memory twice. The caller writes
 * brackets, commas and keys; strings are escaped here.
 */
#ifndef PIPESHIM_CLI_REPORT_JSON_WRITER_H
#define PIPESHIM_CLI_REPORT_JSON_WRITER_H

#include <stdio.h>

/* A quoted string. Besides what JSON asks for, "<", ">" and "&" are escaped: the text may stand
 * inside an HTML script element. Bytes that are no UTF-8 become U+FFFD. */
void json_write_string(FILE *out, const char *text);

/* A text for people, as UTF-8: control characters, which a terminal would obey, become "?".
 * `also` are further characters to replace, may be "". */
void write_clean(FILE *out, const char *text, const char *also);

/* Runs on: tool. AS-safe: no. Blocks: on its output. */
#endif
