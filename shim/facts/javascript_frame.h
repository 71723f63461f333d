// SPDX-License-Identifier: MIT
/* One JavaScript frame in the user's terms. */
#ifndef PIPESHIM_FACTS_JAVASCRIPT_FRAME_H
#define PIPESHIM_FACTS_JAVASCRIPT_FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    JAVASCRIPT_FILE_LIMIT = 512, /* bytes, with the NUL; of a longer name the end is kept */
    JAVASCRIPT_FUNCTION_LIMIT = 192,
    JAVASCRIPT_FRAME_LIMIT = 256, /* frames of one stack that can be given */
};

/* What V8 runs the function with. */
enum javascript_tier {
    JAVASCRIPT_UNKNOWN_TIER, /* its code could not be found */
    JAVASCRIPT_INTERPRETED,
    JAVASCRIPT_BASELINE, /* Sparkplug */
    JAVASCRIPT_MAGLEV,
    JAVASCRIPT_TURBOFAN,
    JAVASCRIPT_BUILTIN, /* one of V8's own functions, such as Array.prototype.map: it has no file */
};

/* What is not certain is 0 or empty. */
struct javascript_frame {
    char file[JAVASCRIPT_FILE_LIMIT];         /* as V8 has it: a path, file:///…, node:fs */
    char function[JAVASCRIPT_FUNCTION_LIMIT]; /* UTF-8; empty: it has no name */
    int line, column;                         /* from 1 */
    int function_line;                        /* where the function begins */
    uint8_t tier;                             /* enum javascript_tier */
    bool readable;                            /* false: there is a frame, and no more is certain */
    bool inlined;   /* its code is part of the function of the frame after it */
    bool near;      /* the line is that of an instruction nearby: a running thread, optimized */
    bool generated; /* the file has a source map: another file is what a person wrote */
};

/* Runs on: any. Plain data. */
#endif
