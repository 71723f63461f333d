// SPDX-License-Identifier: MIT
/* Text as a terminal shows it best: no line longer than its width, verdicts in colour. To a file or
 * a pipe it goes as it is, so that a line stays a line for grep. */
#ifndef PIPESHIM_CLI_TERMINAL_TEXT_H
#define PIPESHIM_CLI_TERMINAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct terminal {
    unsigned columns; /* 0: not known, or no terminal: lines are not broken */
    bool colour;
};

/* What is at descriptor `fd`. No colour where NO_COLOR is set, or TERM is "dumb". */
struct terminal terminal_of(int fd);

/* Writes `text`, lines of valid UTF-8. A line that is too long is broken at spaces, its further
 * lines indented deeper; a word that is longer than a line stays whole. */
void terminal_write(FILE *out, const char *text, size_t length, const struct terminal *terminal);

/* Runs on: tool. AS-safe: no. Blocks: on its output. */
#endif
