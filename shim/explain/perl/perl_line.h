// SPDX-License-Identifier: MIT
/* The line of its program that a Perl is at: the interpreter exports where its state lies. */
#ifndef PIPESHIM_EXPLAIN_PERL_PERL_LINE_H
#define PIPESHIM_EXPLAIN_PERL_PERL_LINE_H

#include "facts/member.h"
#include "kernel/memory_reader.h"

/* Fills `where` and `source` of a member that is a Perl, from its thread `tid`, which sleeps. Left
 * as they are: a thread that is not the main one, a Perl that was built without threads, a version
 * whose layout is not known. Some 150 reads. */
void perl_line_read(const struct memory_reader *memory, int pid, int tid, struct member *member);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: as long as the program's file system does. */
#endif
