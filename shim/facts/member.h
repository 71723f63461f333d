// SPDX-License-Identifier: MIT
/* Where one process of a deadlock's or finding's chain stands in its code. Plain data, filled by
 * the watchdog or the tool, printed by report/. */
#ifndef PIPESHIM_FACTS_MEMBER_H
#define PIPESHIM_FACTS_MEMBER_H

#include <stdbool.h>

#include "facts/javascript_frame.h"
#include "facts/python_frame.h"
#include "facts/stack.h"

enum {
    WHERE_LIMIT = 768, /* the longest file and function of a frame */
    SOURCE_LIMIT = 128,
    MEMBER_PYTHON_LIMIT = 24,
    MEMBER_FRAME_LIMIT = 64, /* of its C stack, and of its JavaScript stack */
};

struct member {
    char where[WHERE_LIMIT];   /* "file:line function" of its user's code; "": not known */
    int where_column;          /* of JavaScript: in that line; 0: not known */
    bool where_generated;      /* its file has a source map: another file is what a person wrote */
    char source[SOURCE_LIMIT]; /* the text of that line; "": not known */
    unsigned python_count;     /* innermost first */
    unsigned python_omitted;   /* outer frames that are not among them */
    struct python_frame python[MEMBER_PYTHON_LIMIT];
    unsigned javascript_count, javascript_omitted; /* the same */
    const struct javascript_frame *javascript;
    unsigned frame_count; /* its C stack */
    bool stack_complete;
    const struct stack_frame_name *frames;
    const char *note; /* why something is missing; NULL */
};

/* Runs on: any. Plain data. */
#endif
