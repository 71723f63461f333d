// SPDX-License-Identifier: MIT
/* The parts of a finding's sentence and of its advice; finding_describe() puts them together. */
#ifndef PIPESHIM_GRAPH_FINDING_WORDS_H
#define PIPESHIM_GRAPH_FINDING_WORDS_H

#include "base/text_buffer.h"
#include "graph/finding.h"

/* One sentence: who waits for whom, on what, and why that does not end. Reads /proc for a terminal
 * or a tracer that keeps a reader from reading. */
void finding_words(const struct wait_graph *graph, const struct wait_finding *finding,
                   struct text_buffer *text);

/* What to change, in whose code (pure). */
void finding_advice(const struct wait_finding *finding, struct text_buffer *text);

/* A command that un-wedges it now, without a restart; nothing when there is none (pure). */
void finding_rescue(const struct wait_finding *finding, struct text_buffer *text);

/* "server.py (4711)" */
void finding_process_words(struct text_buffer *text, const char *name, int pid);
/* "stdout", "fd 5" */
void finding_end_words(struct text_buffer *text, int fd);
/* "waits in wait4 for sleep (4712) to exit" */
void finding_wait_words(struct text_buffer *text, const struct chain_link *link);
/* "read fd 5 (127.0.0.1:40112 to 127.0.0.1:80)" */
void finding_call_words(const struct wait_graph *graph, const struct chain_link *link,
                        struct text_buffer *text);
/* "pipe 81723", "socket 99", a FIFO's path */
void finding_object_words(struct text_buffer *text, const struct chain_link *link);

/* The same of another process than those of the links, by the graph's table. */
void finding_other_process_words(const struct wait_graph *graph, int pid, struct text_buffer *text);
/* Why the terminal of a link takes no output, and who has its other side. Reads /proc. */
void finding_terminal_words(const struct wait_graph *graph, const struct chain_link *link,
                            struct text_buffer *text);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
