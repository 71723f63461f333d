// SPDX-License-Identifier: MIT
/* Python frames, and how many of a stack they are, as explain/python/ reads it and report/ prints
 * it. Plain data. */
#ifndef PIPESHIM_FACTS_PYTHON_FRAME_H
#define PIPESHIM_FACTS_PYTHON_FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PYTHON_FILE_LIMIT = 512, /* bytes, with the NUL; of a longer path the end is kept */
    PYTHON_FUNCTION_LIMIT = 192,
};

struct python_frame {
    char file[PYTHON_FILE_LIMIT];         /* as the code object has it: UTF-8, "" unknown */
    char function[PYTHON_FUNCTION_LIMIT]; /* qualified from 3.11 on, the bare name before */
    int line;                             /* 0: this instruction belongs to no line */
    bool awaits; /* not on the thread's stack: a coroutine that the main task of its loop is in */
    int owner;   /* what CPython says of the frame's memory */
    /* Where it was read, to find out whether it is still there; meaningless to a person. */
    uintptr_t frame, code, previous, instruction;
};

enum python_completeness {
    PYTHON_STACK_NONE,           /* the thread runs no Python */
    PYTHON_STACK_COMPLETE,       /* all frames, or the innermost ones and a count of the others */
    PYTHON_STACK_OUTER,          /* of a running thread the outer frames; the inner ones change */
    PYTHON_STACK_LOST,           /* the innermost frames; the next could not be proven */
    PYTHON_STACK_MOVING,         /* it ran on while it was read, and nothing could be proven */
    PYTHON_STACK_SUBINTERPRETER, /* it runs in a subinterpreter: not read */
    PYTHON_STACK_UNREADABLE,     /* the interpreter's thread list could not be read */
};

struct python_stack_facts {
    enum python_completeness completeness;
    unsigned omitted;  /* frames beyond the limit, not written to `out` */
    bool omitted_more; /* there are at least that many: counting was given up */
};

/* Runs on: any. Plain data. */
#endif
