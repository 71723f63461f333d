// SPDX-License-Identifier: MIT
/*
 * A deadlock or finding for a person, verdict first: who and whom, for how long; then who waits for
 * what, how full it is, and the line of each; one fix; one command that helps now. The same words
 * in the library's log, in `run`, `diagnose` and `report`.
 */
#ifndef PIPESHIM_REPORT_FINDING_TEXT_H
#define PIPESHIM_REPORT_FINDING_TEXT_H

#include <stdbool.h>

#include "base/text_buffer.h"
#include "facts/member.h"
#include "graph/finding.h"

struct finding_report {
    const struct wait_finding *finding;
    const struct member *members; /* one for each link, or NULL */
    uint64_t blocked_ns;          /* how long it has lasted; 0: not known */
    bool at_least;                /* and it may be longer: seen from outside */
    unsigned scans;               /* how often it was seen; 0: not said */
    bool all_frames;              /* whole stacks, not the user's line alone */
};

/* "DEADLOCK", or "STUCK reader_away". */
void finding_text_verdict(struct text_buffer *text, const struct wait_finding *finding);

/* The verdict's line, from "DEADLOCK server.py[27133] <-> parent.py[27109]" on, with its newline.
 */
void finding_text_first_line(struct text_buffer *text, const struct finding_report *report);

/* "server.py[27133]  write fd 2 on pipe:[81723]  FULL …  for parent.py[27109] fd 5": without a
 * newline. */
void finding_text_link(struct text_buffer *text, const struct chain_link *link);

/* A member's line of code after "> ", and why it is missing, each with its newline. */
void finding_text_line(struct text_buffer *text, const struct member *member);

/* All that follows it. */
void finding_text_rest(struct text_buffer *text, const struct finding_report *report);

/* All frames of a member, Python's and JavaScript's first, each line after `indent`. */
void finding_text_stacks(struct text_buffer *text, const struct member *member, const char *indent);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
