// SPDX-License-Identifier: MIT
/*
 * Which line of its program a Perl interpreter is at, read from its memory.
 *
 * Perl keeps the statement that it executes (PL_curcop) and, on a stack of contexts, the statement
 * that each subroutine was called from. Its structures differ between versions; each statement
 * proves itself by its type and by the function that executes it: a wrong layout leads to nothing.
 */
#ifndef PIPESHIM_EXPLAIN_PERL_PERL_WALK_H
#define PIPESHIM_EXPLAIN_PERL_PERL_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/memory_reader.h"

enum { PERL_FILE_LIMIT = 512, PERL_FUNCTION_LIMIT = 128 };

struct perl_layout;

/* The layout of 5.`version`, of a build with threads, as all distributions have it; NULL: it is not
 * known. Releases from 5.28 to 5.42 are. */
const struct perl_layout *perl_layout_find(unsigned version);

struct perl_runtime {
    const struct perl_layout *layout;
    uintptr_t interpreter; /* of the main thread */
    uintptr_t functions;   /* PL_ppaddr: of each type of operation what executes it */
    uintptr_t names;       /* PL_op_name: what it is called */
};

struct perl_place {
    char file[PERL_FILE_LIMIT]; /* as Perl was given it: may be relative, "-e" or "(eval 7)" */
    int line;
    char function[PERL_FUNCTION_LIMIT]; /* without its package; "main" outside of all */
};

/* The innermost place in the user's code, or where all of it is in installed modules the innermost
 * one; false: it cannot be read. The line is the one that Perl itself would name in a warning: that
 * on which the statement begins. At most some 1200 reads. */
bool perl_walk(const struct memory_reader *reader, const struct perl_runtime *runtime,
               struct perl_place *place);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
