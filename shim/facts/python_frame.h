// SPDX-License-Identifier: MIT
/* One Python frame, as explain/python/ reads it and report/ prints it. Plain data. */
#ifndef PIPESHIM_FACTS_PYTHON_FRAME_H
#define PIPESHIM_FACTS_PYTHON_FRAME_H

#include <stdint.h>

enum {
    PYTHON_FILE_LIMIT = 512, /* bytes, with the NUL; of a longer path the end is kept */
    PYTHON_FUNCTION_LIMIT = 192,
};

struct python_frame {
    char file[PYTHON_FILE_LIMIT];         /* as the code object has it: UTF-8, "" unknown */
    char function[PYTHON_FUNCTION_LIMIT]; /* qualified from 3.11 on, the bare name before */
    int line;                             /* 0: this instruction belongs to no line */
    int owner;                            /* what CPython says of the frame's memory */
    /* Where it was read, to find out whether it is still there; meaningless to a person. */
    uintptr_t frame, code, previous, instruction;
};

#endif
