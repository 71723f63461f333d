// SPDX-License-Identifier: MIT
/* What a process has answered to `pipeshim set`. */
#ifndef PIPESHIM_CLI_SET_H
#define PIPESHIM_CLI_SET_H

#include <stdio.h>

#include "facts/mailbox.h"

/* Line by line, with nothing that a terminal takes for a command: the mailbox is the process's
 * memory, in which it can write whatever it likes. */
void set_print_answer(struct mailbox *mail, FILE *out);

/* Runs on: the tool. AS-safe: no. Blocks: on the output. */
#endif
