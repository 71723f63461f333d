// SPDX-License-Identifier: MIT
/*
 * Names of C++ and Rust functions as their authors wrote them. What is too long is shortened by
 * whole parts ("Queue<…>::push(…)"), never in the middle of a name.
 */
#ifndef PIPESHIM_CLI_NAMES_DEMANGLE_H
#define PIPESHIM_CLI_NAMES_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the name that the compiler made `symbol` of, in at most `capacity` (at least 32) bytes.
 * Of a symbol that was cut off when it was written down, what is whole of it, and "…". False, and
 * nothing is written: it is no such symbol. */
bool demangle(const char *symbol, char *to, size_t capacity);

/* The same of the last word of a text: "engine+0x1234 _ZN3app3runEv". False: it is none. */
bool demangle_last_word(const char *text, char *to, size_t capacity);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
