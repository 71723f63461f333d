// SPDX-License-Identifier: MIT
/* The digits of base64 (RFC 4648), of which source maps also make their numbers. */
#ifndef PIPESHIM_CLI_NAMES_BASE64_H
#define PIPESHIM_CLI_NAMES_BASE64_H

#include <string.h>

/* 0 to 63; -1: no digit. */
static inline int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* Runs on: tool. AS-safe: yes. Blocks: no. */
#endif
