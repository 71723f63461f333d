// SPDX-License-Identifier: MIT
/*
 * file:line of native frames, through the build-id: a file of the same path is used only if it is
 * the very build that ran. Separate debug files are found below the debug directories by build-id.
 */
#ifndef PIPESHIM_CLI_REPORT_SOURCE_LINES_H
#define PIPESHIM_CLI_REPORT_SOURCE_LINES_H

#include <stdbool.h>

#include "cli/report/model.h"

struct source_lines_options {
    const char *debug_path; /* elfutils' form ("/usr/lib/debug:/more"); NULL: /usr/lib/debug */
    bool debuginfod;        /* ask the servers in DEBUGINFOD_URLS; else nothing is asked */
};

struct source_lines_count {
    unsigned modules; /* different modules with a build-id */
    unsigned found;   /* of them, those whose ELF or debug file was found */
    unsigned frames;  /* that got a line */
};

/* Sets source and line of all frames of the model that can be resolved, and function of those that
 * have none. One module is open at a time. */
struct source_lines_count source_lines_resolve(struct model *model,
                                               const struct source_lines_options *given);

/* Runs on: tool. AS-safe: no. Blocks: on files; with debuginfod on the network. */
#endif
