// SPDX-License-Identifier: MIT
/* The two forms of a diagnosis. Both say the same; the text is cut to about one screen. */
#ifndef PIPESHIM_CLI_DIAGNOSE_OUTPUT_H
#define PIPESHIM_CLI_DIAGNOSE_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/diagnose/scan.h"
#include "facts/object_facts.h"

/* The one descriptor that a thread waits on, of a poll() for one as well; -1: none, or several. */
int diagnosis_fd(const struct diagnosis *diagnosis, const struct wait_thread *thread);

/* Facts of a descriptor of a process of the graph, with the peers that the graph knows. False when
 * it is not readable. */
bool diagnosis_facts(const struct diagnosis *diagnosis, uint32_t process, int fd,
                     struct object_facts *facts);

/* Is this process one of those that were asked for (or were all)? */
bool diagnosis_asked(const struct diagnosis *diagnosis, int pid);

struct text_style {
    FILE *out;
    bool stacks; /* all frames, not the user's line alone */
};

/* Text. */
void diagnosis_print_text(const struct diagnosis *diagnosis, const struct text_style *style);
/* What could not be looked at, a line each. */
void diagnosis_print_notes(const struct diagnosis *diagnosis, FILE *to);
/* One JSON object in one line on stdout. */
void diagnosis_print_json(const struct diagnosis *diagnosis);

/* Runs on: tool. AS-safe: no. Blocks: on its output. */
#endif
