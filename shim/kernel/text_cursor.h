// SPDX-License-Identifier: MIT
/*
 * Words and numbers off a NUL-terminated text, one after the other: `*at` is moved behind what was
 * taken, and may have moved too where it is not that. Blanks and tabs before are skipped, the end
 * of a line is not.
 */
#ifndef PIPESHIM_KERNEL_TEXT_CURSOR_H
#define PIPESHIM_KERNEL_TEXT_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

void skip_blanks(const char **at);
void skip_word(const char **at);

/* -1: it is no digit of that base. */
int digit_value(char c, unsigned base);

/* Wraps silently beyond 64 bits: the kernel prints none, and a wrong number does no harm. */
bool take_unsigned(const char **at, unsigned base, uint64_t *value);

bool take_signed(const char **at, int64_t *value);
bool take_int(const char **at, int *value);

/* "0x" and hexadecimal digits, as /proc/PID/syscall prints its arguments. */
bool take_hexadecimal(const char **at, uint64_t *value);

bool take_text(const char **at, const char *expected);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
