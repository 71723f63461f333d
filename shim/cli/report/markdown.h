// SPDX-License-Identifier: MIT
/* Text of a log in a Markdown document, which GitHub and others render. */
#ifndef PIPESHIM_CLI_REPORT_MARKDOWN_H
#define PIPESHIM_CLI_REPORT_MARKDOWN_H

#include <stdio.h>

/* As it stands, on one line, also in a cell of a table: nothing in it is markup, a link, a mention
 * of a user or an issue. */
void markdown_text(const char *text, FILE *out);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
